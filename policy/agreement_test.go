package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// agreementPolicies are policies of the kinds people write: sets and booleans,
// roles from data, patterns, extra and selectors, and some that fault on odd input.
var agreementPolicies = map[string]string{
	"sets": authz + `allow contains "reader" if input.spec.resourceAttributes.verb in {"get", "list", "watch"}

allow contains sprintf("%s owns %s", [input.spec.user, ns]) if {
	ns := input.spec.resourceAttributes.namespace
	ns == sprintf("%s-ns", [input.spec.user])
}

deny contains "secrets" if {
	input.spec.resourceAttributes.resource == "secrets"
	not "admins" in input.spec.groups
}

deny contains "kube-system" if startswith(input.spec.resourceAttributes.namespace, "kube-")`,
	"booleans": authz + `default allow := false

allow if {
	some group in input.spec.groups
	group in {"devs", "admins"}
	not input.spec.resourceAttributes.subresource
}

allow if input.spec.nonResourceAttributes.path in {"/healthz", "/version"}

default deny := false

deny if input.spec.user == "mallory"`,
	"roles": authz + `allow contains name if {
	some group in input.spec.groups
	some name in data.bindings[group]
	role := data.roles[name]
	matches(role.verbs, input.spec.resourceAttributes.verb)
	matches(role.resources, input.spec.resourceAttributes.resource)
	matches(role.namespaces, input.spec.resourceAttributes.namespace)
}

matches(list, _) if "*" in list

matches(list, value) if value in list`,
	"patterns": authz + "deny contains \"pattern\" if regex.match(`^(kube|dev)-`, object.get(input, [\"spec\", \"resourceAttributes\", \"namespace\"], \"\"))" + `

allow contains path if {
	path := input.spec.nonResourceAttributes.path
	glob.match("/metrics/**", ["/"], path)
}

allow contains concat(",", sort(values)) if {
	values := input.spec.extra["example.org/scopes"]
	count(values) > 1
}

deny contains "selector" if {
	some requirement in input.spec.resourceAttributes.fieldSelector.requirements
	requirement.operator == "In"
	not "node-1" in requirement.values
}`,
	"faults": authz + `deny contains "many" if to_number(input.spec.uid) > 50

allow := x if {
	x := {"a", input.spec.user}
	input.spec.groups[0] == "devs"
}

allow := x if {
	x := {"b", input.spec.user}
	input.spec.groups[count(input.spec.groups) - 1] == "admins"
}`,
}

const agreementData = `{
	"bindings": {"devs": ["view", "edit"], "admins": ["all"], "ops": ["nodes"]},
	"roles": {
		"view": {"verbs": ["get", "list"], "resources": ["*"], "namespaces": ["dev-a", "prod"]},
		"edit": {"verbs": ["*"], "resources": ["pods", "deployments"], "namespaces": ["dev-a", "dev-b"]},
		"all": {"verbs": ["*"], "resources": ["*"], "namespaces": ["*"]},
		"nodes": {"verbs": ["get", "update"], "resources": ["nodes"], "namespaces": [""]}
	}
}`

// randomReview is a SubjectAccessReview as apiserver sends it, with gaps, odd
// types and values that policies look for.
func randomReview(r *rand.Rand) []byte {
	pick := func(values ...any) any { return values[r.IntN(len(values))] }
	some := func(values ...string) []string {
		var out []string
		for _, v := range values {
			if r.IntN(2) == 0 {
				out = append(out, v)
			}
		}
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	}
	spec := map[string]any{}
	set := func(into map[string]any, key string, value any) {
		if r.IntN(8) > 0 {
			into[key] = value
		}
	}
	set(spec, "user", pick("alice", "bob", "mallory", "", "ünï", nil))
	set(spec, "groups", some("devs", "admins", "ops", "system:authenticated"))
	set(spec, "uid", pick("7", "60", "u-1", "", fmt.Sprint(r.IntN(100))))
	if r.IntN(3) == 0 {
		spec["extra"] = map[string]any{"example.org/scopes": some("a", "b", "c")}
	}
	if r.IntN(4) == 0 {
		spec["nonResourceAttributes"] = map[string]any{"path": pick("/healthz", "/metrics/a", "/metrics/a/b", "/version", "/"), "verb": "get"}
	} else {
		attributes := map[string]any{}
		set(attributes, "namespace", pick("dev-a", "dev-b", "prod", "kube-system", "alice-ns", "bob-ns", ""))
		set(attributes, "verb", pick("get", "list", "watch", "create", "update", "delete"))
		set(attributes, "resource", pick("pods", "secrets", "deployments", "nodes"))
		if r.IntN(5) == 0 {
			attributes["subresource"] = pick("exec", "status", "")
		}
		if r.IntN(5) == 0 {
			attributes["fieldSelector"] = map[string]any{"requirements": []any{
				map[string]any{"key": "spec.nodeName", "operator": pick("In", "NotIn"), "values": some("node-1", "node-2")},
			}}
		}
		spec["resourceAttributes"] = attributes
	}
	out, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"metadata": map[string]any{"creationTimestamp": nil}, "spec": spec, "status": map[string]any{"allowed": false},
	})
	if err != nil {
		panic(err)
	}
	return out
}

// stock answers as a reader of OPA's documentation would write it: the whole
// document through package rego. An error of either rule is an error.
type stock struct {
	allow, deny rego.PreparedEvalQuery
}

func newStock(t *testing.T, source string) stock {
	t.Helper()
	var data map[string]any
	if err := json.Unmarshal([]byte(agreementData), &data); err != nil {
		t.Fatal(err)
	}
	prepare := func(rule string) rego.PreparedEvalQuery {
		q, err := rego.New(
			rego.Query("data.kubernetes.authorization."+rule),
			rego.Module("p0.rego", source),
			rego.Store(inmem.NewFromObject(data)),
			rego.StrictBuiltinErrors(true),
		).PrepareForEval(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	return stock{allow: prepare("allow"), deny: prepare("deny")}
}

func (s stock) authorize(t *testing.T, document []byte) (string, error) {
	t.Helper()
	var input any
	if err := json.Unmarshal(document, &input); err != nil {
		t.Fatal(err)
	}
	ask := func(name string, q rego.PreparedEvalQuery) ([]string, error) {
		results, err := q.Eval(t.Context(), rego.EvalInput(input))
		if err != nil || len(results) == 0 {
			return nil, err
		}
		switch v := results[0].Expressions[0].Value.(type) {
		case bool:
			if v {
				return []string{"kubernetes.authorization." + name}, nil
			}
			return nil, nil
		case []any:
			var out []string
			for _, r := range v {
				s, ok := r.(string)
				if !ok {
					return nil, fmt.Errorf("reason %v", r)
				}
				out = append(out, s)
			}
			slices.Sort(out)
			return out, nil
		default:
			return nil, fmt.Errorf("value %v", v)
		}
	}
	denials, err := ask("deny", s.deny)
	if err != nil {
		return "", err
	}
	if len(denials) > 0 {
		return "deny: " + strings.Join(denials, "|"), nil
	}
	grants, err := ask("allow", s.allow)
	if err != nil {
		return "", err
	}
	if len(grants) > 0 {
		return "allow: " + strings.Join(grants, "|"), nil
	}
	return "noOpinion: ", nil
}

func TestAuthorizeAgreesWithStockOPA(t *testing.T) {
	const cases = 2000
	for name, source := range agreementPolicies {
		t.Run(name, func(t *testing.T) {
			in := content(source)
			in.Documents = []Document{{Path: "data.json", Content: []byte(agreementData)}}
			revision, err := Compile(t.Context(), in, Options{})
			if err != nil {
				t.Fatal(err)
			}
			reference := newStock(t, source)
			random := rand.New(rand.NewPCG(1, 2))
			outcomes := map[string]int{}
			for i := range cases {
				document := randomReview(random)
				review := object(t, string(document))
				want, wantErr := reference.authorize(t, document)
				decision, gotErr := revision.Authorize(t.Context(), review)
				got := ""
				if gotErr == nil {
					got = string(decision.Outcome) + ": " + strings.Join(decision.Reasons, "|")
				}
				if got != want || (gotErr == nil) != (wantErr == nil) {
					t.Fatalf("case %d, %s\ngot  %q, %v\nwant %q, %v", i, document, got, gotErr, want, wantErr)
				}
				if gotErr != nil {
					outcomes["error"]++
				} else {
					outcomes[string(decision.Outcome)]++
				}
			}
			// A property that holds because every case is the same proves little.
			if len(outcomes) < 2 {
				t.Errorf("all %d cases came out alike: %v", cases, outcomes)
			}
		})
	}
}

func BenchmarkAuthorize(b *testing.B) {
	document := randomReview(rand.New(rand.NewPCG(3, 4)))
	for _, name := range []string{"sets", "booleans", "roles"} {
		b.Run(name, func(b *testing.B) {
			in := content(agreementPolicies[name])
			in.Documents = []Document{{Path: "data.json", Content: []byte(agreementData)}}
			revision, err := Compile(b.Context(), in, Options{})
			if err != nil {
				b.Fatal(err)
			}
			review := object(b, string(document))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := revision.Authorize(b.Context(), review); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("sets, decoding included", func(b *testing.B) {
		revision := compile(b, Options{}, agreementPolicies["sets"])
		b.ReportAllocs()
		for b.Loop() {
			review := object(b, string(document))
			if _, err := revision.Authorize(b.Context(), review); err != nil {
				b.Fatal(err)
			}
		}
	})
}
