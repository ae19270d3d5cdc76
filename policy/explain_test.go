package policy

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestExplain(t *testing.T) {
	options := Options{}
	content := Content{Modules: []Module{
		{Path: "authorization.rego", Source: []byte(recheckPolicy + "\ndeny contains \"odd\" if to_number(input.spec.uid) > 1\n\nallow contains \"clock\" if {\n\tinput.spec.clock\n\ttrace(\"asked the clock\")\n}\n")},
		{Path: "authentication.rego", Source: []byte("package kubernetes.authentication\n\nuser.username := input.identity.subject\n\ndeny contains \"odd\" if startswith(input.identity.subject, \"x\")\n")},
		{Path: "scheduling.rego", Source: []byte("package kubernetes.scheduling\n\nreject contains \"full\" if input.node.full\n\nscore.base := 3\n")},
	}}
	revision, err := Compile(t.Context(), content, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		point          Point
		input, outcome string
		trace          map[Detail]string // of the last rule
	}{
		{"allow", AuthorizationPoint, aliceReads, "allow", map[Detail]string{DetailRules: "Exit data.kubernetes.authorization.allow", DetailFull: "Eval"}},
		{"deny", AuthorizationPoint, `{"spec": {"user": "mallory", "uid": "1"}}`, "deny", nil},
		{"no opinion", AuthorizationPoint, `{"spec": {"user": "bob"}}`, "noOpinion", map[Detail]string{DetailFails: "Fail"}},
		{"notes", AuthorizationPoint, `{"spec": {"user": "bob", "clock": true}}`, "allow", map[Detail]string{DetailNotes: "asked the clock"}},
		{"error", AuthorizationPoint, `{"spec": {"user": "bob", "uid": "x"}}`, "error", nil},
		{"user", AuthenticationPoint, `{"identity": {"subject": "alice"}}`, "authenticated as alice", nil},
		{"denied", AuthenticationPoint, `{"identity": {"subject": "xavier"}}`, "not authenticated: denied", nil},
		{"nobody", AuthenticationPoint, `{}`, "not authenticated: no username", nil},
		{"Kubernetes' own", AuthenticationPoint, `{"identity": {"subject": "system:admin"}}`, `not authenticated: the username "system:admin" is Kubernetes' own`, nil},
		{"node", SchedulingPoint, `{"node": {}}`, "accepted, score 3", nil},
		{"full node", SchedulingPoint, `{"node": {"full": true}}`, "rejected", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := revision.View().Explain(t.Context(), c.point, object(t, c.input))
			if err != nil || !strings.HasPrefix(got.Outcome, c.outcome) {
				t.Fatalf("got %+v and error %v, want %s", got, err, c.outcome)
			}
			for _, rule := range got.Rules {
				if rule.Disagreement != nil {
					t.Errorf("disagreement: %v", rule.Disagreement)
				}
			}
			last := got.Rules[len(got.Rules)-1]
			for detail, want := range c.trace {
				var text strings.Builder
				last.WriteTrace(&text, detail)
				if !strings.Contains(text.String(), want) {
					t.Errorf("%s: trace lacks %q:\n%s", detail, want, text.String())
				}
			}
		})
	}
}

func TestExplainTellsOfADisagreement(t *testing.T) {
	view := recheckedEngine(t).View()
	view.rules[allowRule].evaluator = mistaken{ast.NewSet()}
	got, err := view.Explain(t.Context(), AuthorizationPoint, object(t, aliceReads))
	if err != nil {
		t.Fatal(err)
	}
	want := Disagreement{Rule: "kubernetes.authorization.allow", Revision: view.ID(), Compiled: "a set of 0", Interpreted: "a set of 1"}
	if d := got.Rules[1].Disagreement; d == nil || *d != want {
		t.Errorf("got %v, want %v", d, want)
	}
	if got.Outcome != string(Allow) {
		t.Errorf("the outcome is %s, want the interpreter's", got.Outcome)
	}
}
