package builtin

import (
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// BenchmarkAuthorization shows that a decision costs the same whatever the
// number of users and groups that data binds to roles.
func BenchmarkAuthorization(b *testing.B) {
	for _, bindings := range []int{10, 1_000, 10_000} {
		data := starterDocument(b)
		groups := data["access"].(map[string]any)["groups"].(map[string]any)
		for i := range bindings {
			groups[fmt.Sprintf("team-%d", i)] = []any{map[string]any{"role": "edit", "namespaces": []any{fmt.Sprintf("ns-%d", i)}}}
		}
		input := ast.MustInterfaceToValue(map[string]any{"spec": request("dora", []string{"team-7", "system:authenticated"}, "get pods -n ns-7")})
		for _, rule := range []string{"allow", "deny"} {
			decide := evaluatorOver(b, "data.kubernetes.authorization."+rule, data)
			b.Run(fmt.Sprintf("%s/%d", rule, bindings), func(b *testing.B) {
				for b.Loop() {
					decide(b, input)
				}
			})
		}
	}
}

// BenchmarkScore shows what a node with the 50 images that a kubelet reports
// costs, of which one is the pod's.
func BenchmarkScore(b *testing.B) {
	var held []any
	for i := range 50 {
		held = append(held, map[string]any{"names": []any{fmt.Sprintf("quay.io/team/app-%d@sha256:%064d", i, i), fmt.Sprintf("quay.io/team/app-%d:v1", i)}})
	}
	input := ast.MustInterfaceToValue(map[string]any{
		"pod": decode(b, `{metadata: {annotations: {verdict.dev/zones: "eu-1a,eu-1b"}}, spec: {containers: [{image: "quay.io/team/app-7:v1"}]}}`),
		"node": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"topology.kubernetes.io/zone": "eu-1b"}},
			"status":   map[string]any{"images": held},
		},
	})
	decide := evaluator(b, "data.kubernetes.scheduling.score")
	for b.Loop() {
		decide(b, input)
	}
}
