package builtin

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"sigs.k8s.io/yaml"
)

// TestCompanyAuthorization asks stock OPA what the starter policies say of the
// people in the starter data.
func TestCompanyAuthorization(t *testing.T) {
	people := map[string][]string{
		"alice": {"team-payments", "system:authenticated"},
		"bob":   {"team-search", "system:authenticated"},
		"carol": {"platform", "system:authenticated"},
		"eve":   {"system:authenticated"},
		"system:serviceaccount:cert-manager:default": {"system:serviceaccounts", "system:serviceaccounts:cert-manager", "system:authenticated"},
		"system:node:worker-1":                       {"system:nodes", "system:authenticated"},
		"system:kube-controller-manager":             {"system:authenticated"},
		"system:anonymous":                           {"system:unauthenticated"},
	}
	allow, deny := evaluator(t, "data.kubernetes.authorization.allow"), evaluator(t, "data.kubernetes.authorization.deny")

	for _, test := range []struct {
		who, what string
		want      string
	}{
		// what: "verb resource[.group][/subresource] [name] -n namespace", or "verb /path"
		{"alice", "get pods -n payments", "allow"},
		{"alice", "create deployments.apps -n payments-staging", "allow"},
		{"alice", "update deployments.apps/scale ledger -n payments", "allow"},
		{"alice", "create pods/exec ledger-0 -n payments", "allow"},
		{"alice", "get secrets ledger -n payments", "allow"},
		{"alice", "get pods -n search", "none"},
		{"alice", "list pods", "none"},
		{"alice", "list nodes", "none"},
		{"alice", "create roles.rbac.authorization.k8s.io -n payments", "none"},
		{"alice", "* * -n payments", "none"},
		{"alice", "get secrets root-ca -n kube-system", "deny"},
		{"alice", "list secrets", "deny"},
		{"alice", "create pods/exec etcd-0 -n kube-system", "deny"},
		{"alice", "get pods -n kube-system", "none"},
		{"bob", "watch pods -n search", "allow"},
		{"bob", "get pods/log indexer-0 -n search", "allow"},
		{"bob", "delete pods indexer-0 -n search", "none"},
		{"bob", "get secrets index-key -n search", "none"},
		{"bob", "create pods/exec indexer-0 -n search", "none"},
		{"bob", "get pods -n payments", "none"},
		{"bob", "patch deployments.apps/scale indexer -n search", "allow"},
		{"bob", "patch deployments.apps/scale frontend -n search", "none"},
		{"bob", "patch deployments.apps/scale indexer -n payments", "none"},
		{"bob", "get pods/exec indexer-0 -n search", "none"},
		{"carol", "list pods", "allow"},
		{"carol", "get nodes worker-1", "allow"},
		{"carol", "get secrets root-ca -n kube-system", "allow"},
		{"carol", "list secrets", "allow"},
		{"carol", "list clusterroles.rbac.authorization.k8s.io", "allow"},
		{"carol", "get /metrics", "allow"},
		{"carol", "get nodes/proxy worker-1", "none"},
		{"carol", "get pods/exec etcd-0 -n kube-system", "none"},
		{"carol", "delete nodes worker-1", "none"},
		{"eve", "get /version", "allow"},
		{"eve", "get /apis/apps/v1", "allow"},
		{"eve", "create selfsubjectreviews.authentication.k8s.io", "allow"},
		{"eve", "get /metrics", "none"},
		{"eve", "get pods -n payments", "none"},
		{"eve", "watch secrets -n kube-system", "deny"},
		{"system:anonymous", "get /version", "none"},
		{"system:anonymous", "get secrets root-ca -n kube-system", "deny"},
		{"system:serviceaccount:cert-manager:default", "list secrets", "deny"},
		{"system:node:worker-1", "get secrets cni -n kube-system", "none"},
		{"system:kube-controller-manager", "list secrets", "none"},
	} {
		t.Run(test.who+" "+strings.ReplaceAll(test.what, "/", "|"), func(t *testing.T) {
			groups, known := people[test.who]
			if !known {
				t.Fatalf("nobody is called %s", test.who)
			}
			input := map[string]any{"spec": request(test.who, groups, test.what)}
			got := "none"
			if len(reasons(t, allow, input)) > 0 {
				got = "allow"
			}
			if len(reasons(t, deny, input)) > 0 {
				got = "deny"
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestCompanyReasonNamesTheRole(t *testing.T) {
	allow := evaluator(t, "data.kubernetes.authorization.allow")
	got := reasons(t, allow, map[string]any{"spec": request("alice", []string{"team-payments"}, "get pods -n payments")})
	if want := []any{`role "edit" granted to group "team-payments"`}; !slices.Equal(got, want) {
		t.Errorf("reasons = %v, want %v", got, want)
	}
}

func TestCompanyAuthentication(t *testing.T) {
	user := evaluator(t, "data.kubernetes.authentication.user")
	value := user(t, map[string]any{"identity": map[string]any{
		"source": "local", "type": "tokenFile", "subject": "alice", "audiences": []string{},
		"claims": map[string]any{"username": "alice", "groups": []string{"team-payments"}},
	}})
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"extra":{},"groups":["team-payments"],"username":"alice"}`; string(text) != want {
		t.Errorf("user = %s, want %s", text, want)
	}
}

// TestCompanyScheduling decides one pod of team payments on three nodes.
func TestCompanyScheduling(t *testing.T) {
	unresolvable, score := evaluator(t, "data.kubernetes.scheduling.unresolvable"), evaluator(t, "data.kubernetes.scheduling.score")
	const pod = `{metadata: {name: ledger, namespace: payments, annotations: {verdict.dev/tenant: payments, verdict.dev/zones: "eu-1a,eu-1b"}}, spec: {containers: [{name: ledger, image: nginx}]}}`
	for _, test := range []struct {
		name, node string
		refused    bool
		points     string
	}{
		{"payments in the first zone", `{metadata: {name: a, labels: {verdict.dev/tenant: payments, topology.kubernetes.io/zone: eu-1a}}}`, false, `{"images":0,"zone":6}`},
		{"payments in the second zone with the image", `{metadata: {name: b, labels: {verdict.dev/tenant: payments, topology.kubernetes.io/zone: eu-1b}}, status: {images: [{names: ["docker.io/library/nginx:latest"]}]}}`, false, `{"images":4,"zone":3}`},
		{"search", `{metadata: {name: c, labels: {verdict.dev/tenant: search}}}`, true, `{"images":0}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			input := map[string]any{"pod": decode(t, pod), "node": decode(t, test.node)}
			if refused := len(reasons(t, unresolvable, input)) > 0; refused != test.refused {
				t.Errorf("refused = %v, want %v", refused, test.refused)
			}
			points, err := json.Marshal(score(t, input))
			if err != nil {
				t.Fatal(err)
			}
			if string(points) != test.points {
				t.Errorf("points = %s, want %s", points, test.points)
			}
		})
	}
}

// request reads "verb resource[.group][/subresource] [name] [-n namespace]" or
// "verb /path" into the spec of a SubjectAccessReview, with empty fields left
// out as kube-apiserver does.
func request(user string, groups []string, text string) map[string]any {
	spec := map[string]any{"user": user, "groups": groups}
	words := strings.Fields(text)
	if strings.HasPrefix(words[1], "/") {
		spec["nonResourceAttributes"] = map[string]any{"verb": words[0], "path": words[1]}
		return spec
	}
	attributes := map[string]any{"verb": words[0], "version": "v1"}
	resource, subresource, _ := strings.Cut(words[1], "/")
	resource, group, _ := strings.Cut(resource, ".")
	for key, value := range map[string]string{"resource": resource, "group": group, "subresource": subresource} {
		if value != "" {
			attributes[key] = value
		}
	}
	for i := 2; i < len(words); i++ {
		if words[i] == "-n" {
			i++
			attributes["namespace"] = words[i]
			continue
		}
		attributes["name"] = words[i]
	}
	spec["resourceAttributes"] = attributes
	return spec
}

// evaluate gives the value of a rule for input, a Go value or an ast.Value.
type evaluate func(tb testing.TB, input any) any

// evaluator prepares query over everything that ships, as stock OPA does.
func evaluator(tb testing.TB, query string) evaluate {
	tb.Helper()
	return evaluatorOver(tb, query, starterDocument(tb))
}

func evaluatorOver(tb testing.TB, query string, data map[string]any) evaluate {
	tb.Helper()
	options := []func(*rego.Rego){rego.Query(query), rego.Strict(true), rego.StrictBuiltinErrors(true), rego.Store(inmem.NewFromObject(data))}
	content := Library()
	content.Append(Starter())
	for _, module := range content.Modules {
		options = append(options, rego.Module(module.Path, string(module.Source)))
	}
	prepared, err := rego.New(options...).PrepareForEval(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return func(tb testing.TB, input any) any {
		tb.Helper()
		option := rego.EvalInput(input)
		if value, ok := input.(ast.Value); ok {
			option = rego.EvalParsedInput(value)
		}
		results, err := prepared.Eval(tb.Context(), option)
		if err != nil {
			tb.Fatal(err)
		}
		if len(results) != 1 {
			tb.Fatalf("%s has %d results, want 1", query, len(results))
		}
		return results[0].Expressions[0].Value
	}
}

func reasons(tb testing.TB, rule evaluate, input any) []any {
	tb.Helper()
	list, ok := rule(tb, input).([]any)
	if !ok {
		tb.Fatal("the rule is not a set")
	}
	return list
}

func decode(tb testing.TB, text string) any {
	tb.Helper()
	var value any
	if err := yaml.UnmarshalStrict([]byte(text), &value); err != nil {
		tb.Fatal(err)
	}
	return value
}

func starterDocument(tb testing.TB) map[string]any {
	tb.Helper()
	data, ok := decode(tb, string(Starter().Documents[0].Content)).(map[string]any)
	if !ok {
		tb.Fatal("the starter data is not an object")
	}
	return data
}
