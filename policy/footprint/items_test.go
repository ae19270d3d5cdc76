package footprint

import (
	"math/rand/v2"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// items are rules of package p that read the pods on a node, and what of them.
var items = []struct {
	name, source, want string
}{
	{"wildcard", `r if input.state.pods[_].a == 1`, `input.state.pods[_].a`},
	{"some in", `r if { some x in input.state.pods; x.a.b == 1 }`, `input.state.pods[_].a.b`},
	{"index", `r if input.state.pods[1].a == 1`, `input.state.pods[_].a`},
	{"index that is read", `r if input.state.pods[input.k].a == 1`, `input.k input.state.pods[_].a`},
	{"index that is told", `r contains i if input.state.pods[i].a == 1`, `input.state.pods[_].a`},
	{"bound before", `r if { x := input.state.pods; x[_].a == 1; x[_].b == 2 }`, `input.state.pods[_].a input.state.pods[_].b`},
	{"one by one", `r contains x.a if some x in input.state.pods`, `input.state.pods[_].a`},
	{"whole", `r contains x if some x in input.state.pods`, `input.state.pods[_]`},
	{"how many", `r := count(input.state.pods)`, `input.state.pods`},
	{"how many have a field", `r := count([1 | input.state.pods[_].a])`, `input.state.pods[_].a`},
	{"how many there are one by one", `r := count([1 | some x in input.state.pods])`, `input.state.pods[_]`},
	{"collected", `r := sum([x.a | some x in input.state.pods])`, `input.state.pods[_].a`},
	{"a set of fields", `r := {x.a | some x in input.state.pods}`, `input.state.pods[_].a`},
	{"default", `r if { some x in object.get(input.state, "pods", []); x.a == 1 }`, `input.state.pods[_].a`},
	{"default of a field", `r contains object.get(x, ["a", "b"], 3) if some x in input.state.pods`, `input.state.pods[_].a.b`},
	{"function", "r if { some x in input.state.pods; f(x) }\nf(x) if x.a == 1", `input.state.pods[_].a`},
	{"function that gives a part", "r contains f(x) if some x in input.state.pods\nf(x) := x.a", `input.state.pods[_].a`},
	{"function of the list", "r if f(input.state.pods)\nf(x) if x[_].a == 1", `input.state.pods`},
	{"rule of the list", "r if { some x in l; x.a == 1 }\nl := input.state.pods", `input.state.pods[_].a`},
	{"complete rule that may conflict", "r if l.a == 1\nl := x if some x in input.state.pods", `input.state.pods[_]`},
	{"complete rule of a field that may conflict", "r if l.b == 1\nl := x.a if some x in input.state.pods", `input.state.pods[_].a`},
	{"two compared", `r if { x := input.state.pods[0]; y := input.state.pods[1]; x == y }`, `input.state.pods[_]`},
	{"two that differ", `r if { x := input.state.pods[0]; y := input.state.pods[1]; x != y }`, `input.state.pods[_]`},
	{"compared with itself by field", `r if { some x, y in input.state.pods; y.a == 1; x == 0 }`, `input.state.pods[_].a`},
	{"negation", `r if not input.state.pods[0].a`, `input.state.pods[_].a`},
	{"every", `r if every x in input.state.pods { x.a == 1 }`, `input.state.pods`},
	{"membership", `r if {"a": 1} in input.state.pods`, `input.state.pods`},
	{"a dynamic field", `r if { some k; input.state.pods[_][k] == 1 }`, `input.state.pods[_]`},
	{"walk", `r if { some x in input.state.pods; walk(x, [_, 1]) }`, `input.state.pods[_]`},
	{"else", "r if input.state.pods[0].a == 1 else := 2 if input.state.pods[0].b == 1", `input.state.pods[_].a input.state.pods[_].b`},
	{"replaced", `r if { input.state.pods[_].a == 1 with input.state.pods as [{"a": input.k}] }`, `input.k input.state.pods[_].a`},
}

func TestItems(t *testing.T) {
	for i, test := range items {
		t.Run(test.name, func(t *testing.T) {
			source := "package p\n" + test.source
			compiler, entry := compile(t, source), ast.MustParseRef("data.p.r")
			if got := reads(analyse(compiler, entry).finish()); got != test.want {
				t.Errorf("reads %s, want %s", got, test.want)
			}
			random := documents{rand.New(rand.NewPCG(uint64(i), 2)), []string{"a", "b"}}
			compareReadsOf(t, source, compiler, entry, 200, func() (input, data map[string]any) {
				pods := []any{}
				for range random.IntN(4) {
					pods = append(pods, random.object(2))
				}
				return map[string]any{"state": map[string]any{"pods": pods}, "k": random.value(1)}, map[string]any{"t": map[string]any{}}
			})
		})
	}
}
