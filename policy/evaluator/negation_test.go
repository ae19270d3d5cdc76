package evaluator

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The rest of a negated expression after a reference with a computed name decides, too.
func TestNegationAfterAComputedName(t *testing.T) {
	for _, rules := range []string{
		`r if not data.p.q[input.name] == input.value`,
		`r if not data.p.q[input.name].x`,
		`r contains n if { some n in ["a", "b", "c", "none"]; not data.p.q[n] == input.value }`,
		`r if not data.p.q[input.name] == 1 with input.a as 1`,
		`r if { not data.base[input.name].x == 1 }`,
		`r if { some v in [1]; not startswith(data.p.q[input.name], "a") }`,
	} {
		rules += "\n\nq.a := input.a\n\nq.b := 1\n\nq.c := {\"x\": input.value}\n"
		for _, input := range []string{
			`{"name": "a", "a": 1, "value": 1}`, `{"name": "a", "a": 1, "value": 2}`, `{"name": "b", "value": 1}`, `{"name": "c", "value": 1}`,
			`{"name": "c", "value": false}`, `{"name": "none", "value": 1}`, `{"name": "x", "a": "a"}`, `{"a": "a"}`,
		} {
			t.Run(rules[:40]+input, func(t *testing.T) {
				i, c, err := compileBoth(t, "package p\n\n"+rules, `{"base": {"a": {"x": 1}, "b": {}}}`)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, i, c, ast.MustParseTerm(input).Value)
			})
		}
	}
}
