package footprint

import (
	"math/rand/v2"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// items are rules of package p that read lists, and what of their items.
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
	{"whole", `r contains x if some x in input.state.pods`, `input.state.pods`},
	{"how many", `r := count(input.state.pods)`, `input.state.pods`},
	{"how many have a field", `r := count([1 | input.state.pods[_].a])`, `input.state.pods[_].a`},
	{"how many there are one by one", `r := count([1 | some x in input.state.pods])`, `input.state.pods`},
	{"collected", `r := sum([x.a | some x in input.state.pods])`, `input.state.pods[_].a`},
	{"a set of fields", `r := {x.a | some x in input.state.pods}`, `input.state.pods[_].a`},
	{"default", `r if { some x in object.get(input.state, "pods", []); x.a == 1 }`, `input.state.pods[_].a`},
	{"default of a field", `r contains object.get(x, ["a", "b"], 3) if some x in input.state.pods`, `input.state.pods[_].a.b`},
	{"function", "r if { some x in input.state.pods; f(x) }\nf(x) if x.a == 1", `input.state.pods[_].a`},
	{"function that gives a part", "r contains f(x) if some x in input.state.pods\nf(x) := x.a", `input.state.pods[_].a`},
	{"function of the list", "r if f(input.state.pods)\nf(x) if x[_].a == 1", `input.state.pods[_].a`},
	{"rule of the list", "r if { some x in l; x.a == 1 }\nl := input.state.pods", `input.state.pods[_].a`},
	{"complete rule that may conflict", "r if l.a == 1\nl := x if some x in input.state.pods", `input.state.pods`},
	{"complete rule of a field that may conflict", "r if l.b == 1\nl := x.a if some x in input.state.pods", `input.state.pods[_].a`},
	{"two compared", `r if { x := input.state.pods[0]; y := input.state.pods[1]; x == y }`, `input.state.pods`},
	{"two that differ", `r if { x := input.state.pods[0]; y := input.state.pods[1]; x != y }`, `input.state.pods`},
	{"compared with itself by field", `r if { some x, y in input.state.pods; y.a == 1; x == 0 }`, `input.state.pods[_].a`},
	{"negation", `r if not input.state.pods[0].a`, `input.state.pods[_].a`},
	{"every", `r if every x in input.state.pods { x.a == 1 }`, `input.state.pods[_].a`},
	{"every that reads nothing", `r if every _ in input.state.pods { true }`, `input.state.pods`},
	{"every with a key", `r if every k, x in input.o { x.a == 1; k != "b" }`, `input.o[_].a`},
	{"every of a whole item", `r if every x in input.l { x == 1 }`, `input.l`},
	{"every of every", `r if every x in input.l { every y in x.a { y.b == 1 } }`, `input.l[_].a[_].b`},
	{"every of a variable", `r if { l := input.l; every x in l { x.a == 1 } }`, `input.l[_].a`},
	{"every of a parameter", "r if f(input.l)\nf(l) if every x in l { x.a == 1 }", `input.l[_].a`},
	{"every of a call", `r if every x in array.reverse(input.l) { x.a == 1 }`, `input.l`},
	{"membership", `r if {"a": 1} in input.state.pods`, `input.state.pods`},
	{"a dynamic field", `r if { some k; input.state.pods[_][k] == 1 }`, `input.state.pods`},
	{"walk", `r if { some x in input.state.pods; walk(x, [_, 1]) }`, `input.state.pods`},
	{"else", "r if input.state.pods[0].a == 1 else := 2 if input.state.pods[0].b == 1", `input.state.pods[_].a input.state.pods[_].b`},
	{"items of items", `r if input.l[_].m[_].a == 1`, `input.l[_].m[_].a`},
	{"members", `r contains k if { some k, v in input.o; v.a == 1 }`, `input.o[_].a`},
	{"members of input", `r if input[_].a == 1`, `input[_].a`},
	{"an item and a name", `r if { input.o.b.c == 1; input.o[_].a == 1 }`, `input.o`},
	{"a name and an item", `r if { input.o[_].a == 1; input.o.b.c == 1 }`, `input.o`},
	{"an item, and how many", `r if { input.l[_].a == 1; count(input.l) == 2 }`, `input.l`},
	{"an item that is checked for presence, and a name", `r if { is_object(input.o[_]); input.o.b.c == 1 }`, `input.o`},
	{"an item that is checked for presence", `r if { x := input.l[0]; is_object(x); x.a }`, `input.l[_].a`},
	{"function of items of data", "r if f(data.t)\nf(x) if x[_].a == 1", `data.t`},
	{"function of items of data, and a name", "r if { f(data.t); data.t.b.c == 1 }\nf(x) if x[_].a == 1", `data.t`},
	{"function that checks the presence of items of data, and a name", "r if { f(data.t); data.t.b == 1 }\nf(x) if is_object(x[_])", `data.t`},
	{"function that gives a part of items of data", "r contains f(data.t, i) if some i in [\"a\", \"b\", 0]\nf(x, i) := x[i].a", `data.t`},
	{"function of a function", "r if f(input.state)\nf(x) if g(x.pods)\ng(x) if x[_].a == 1", `input.state.pods[_].a`},
	{"object.get of an item", `r if { some x in input.l; object.get(x, "a", 1) == 1 }`, `input.l[_].a`},
	{"an item as an operand", `r if { some x in input.l; json.marshal(x) != "" }`, `input.l`},
	{"a variable for the last part", `r if { some k; input.l[_].a[k] == 1 }`, `input.l[_].a`},
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
				return map[string]any{
					"state": map[string]any{"pods": pods}, "k": random.value(1),
					"l": random.list(3), "o": random.object(3),
				}, map[string]any{"t": random.object(3)}
			})
		})
	}
}

// list makes up a list of objects and other things.
func (d documents) list(depth int) []any {
	out := []any{}
	for range d.IntN(4) {
		out = append(out, d.value(depth-1))
	}
	return out
}
