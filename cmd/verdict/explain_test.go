package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	logs "go.uber.org/zap/zaptest/observer"

	"github.com/verdict-dev/verdict/policy"
)

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	for _, c := range []struct {
		name, input string
		args        []string
		code        int
		want        []string // of standard output, or of the error output when the code is not 0
	}{
		{
			name: "allow", input: `{"apiVersion": "authorization.k8s.io/v1", "spec": {"user": "alice", "groups": ["team-payments"], "resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "payments"}}}`,
			want: []string{"allow\n\nkubernetes.authorization.deny\n  value  set()\n", `role \"edit\" granted to group \"team-payments\"`, "with the same result", "Exit data.kubernetes.authorization.allow"},
		},
		{
			name: "why not", input: `{"spec": {"user": "alice", "resourceAttributes": {"verb": "delete", "resource": "leases", "namespace": "payments"}}}`,
			args: []string{"--detail", "fails"}, want: []string{"noOpinion\n", "Fail"},
		},
		{name: "a token is passed over", input: `{"spec": {"token": "eyJhbGciOi"}, "identity": {"type": "tokenFile", "claims": {"username": "alice"}}}`, args: []string{"--point", "authentication", "--detail", "full"}, want: []string{"authenticated as alice\n"}},
		{name: "a v1beta1 review", input: `{"apiVersion": "authorization.k8s.io/v1beta1", "kind": "SubjectAccessReview", "spec": {"user": "alice", "group": ["team-payments"], "resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "payments"}}, "status": {"allowed": false}}`, want: []string{"allow\n"}},
		{name: "a version that is none", input: `{"apiVersion": "authorization.k8s.io/v2", "spec": {}}`, code: 2, want: []string{"apiVersion: must be authorization.k8s.io/v1 or authorization.k8s.io/v1beta1"}},
		{name: "no JSON", input: `{`, code: 2, want: []string{"no JSON.json: ", "invalid JSON"}},
		{name: "no such point", input: `{}`, args: []string{"--point", "mutation"}, code: 2, want: []string{"--point: must be"}},
		{name: "no such detail", input: `{}`, args: []string{"--detail", "much"}, code: 2, want: []string{"--detail: must be one of [rules notes fails full]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := runVerdict(t, append([]string{"explain", file(c.name+".json", c.input)}, c.args...)...)
			out := stdout
			if c.code != 0 {
				out = stderr
			}
			if code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("output lacks %q:\n%s", want, out)
				}
			}
			if strings.Contains(stdout+stderr, "eyJhbGciOi") {
				t.Error("the token is printed")
			}
		})
	}
}

func TestExplainAsDocumented(t *testing.T) {
	page := readString(t, "../../docs/explain.md")
	_, example, _ := strings.Cut(page, "```text\n")
	example, _, ended := strings.Cut(example, "```")
	_, input, _ := strings.Cut(page, "echo '")
	input, _, quoted := strings.Cut(input, "'")
	if !ended || !quoted {
		t.Fatal("no example")
	}
	path := filepath.Join(t.TempDir(), "review.json")
	write(t, path, input)
	stdout, stderr, code := runVerdict(t, "explain", path)
	if code != 0 || !strings.HasPrefix(stdout, example) {
		t.Errorf("exit code %d, the example is not what is printed:\n%s%s", code, stdout, stderr)
	}
}

func TestExplainIsLoudAboutADisagreement(t *testing.T) {
	var out strings.Builder
	err := writeExplanation(&out, policy.Explained{Outcome: "allow", Rules: []policy.Explanation{{
		Rule: "kubernetes.authorization.allow", Defined: true, Value: `{"a"}`,
		Disagreement: &policy.Disagreement{Rule: "kubernetes.authorization.allow", Compiled: "undefined", Interpreted: "a set of 1"},
	}}}, policy.DetailRules)
	if !errors.Is(err, errDisagreement) || !strings.Contains(out.String(), "DISAGREEMENT") {
		t.Errorf("got error %v and\n%s", err, out.String())
	}
}

func TestDisagreementsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	core, logged := logs.New(zap.ErrorLevel)
	o := newObserver(zap.New(core), registry)
	o.rechecked("kubernetes.authorization.allow")
	o.disagreed(&policy.Disagreement{Rule: "kubernetes.authorization.allow", Revision: "r", Compiled: "undefined", Interpreted: "a set of 1"})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			got[family.GetName()] += metric.GetCounter().GetValue()
		}
	}
	if got["verdict_evaluator_checks_total"] != 1 || got["verdict_evaluator_disagreements_total"] != 1 || logged.Len() != 1 {
		t.Errorf("got %v and %d lines of log", got, logged.Len())
	}
}
