package evaluator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// The parts of a constant are made once for all evaluations, and take no room in those.
func TestConstantsAreMadeOnce(t *testing.T) {
	for _, c := range []struct{ name, rules string }{
		{"array", "r := [" + strings.Repeat("1, ", 999) + "2][input.a]"},
		{"nested", "r := {\"x\": [" + strings.Repeat("{\"a\": [1, null], \"b\": {1, 2}}, ", 300) + "2]}.x[input.a]"},
		{"in an else", "r := 1 if input.b else := [" + strings.Repeat("1, ", 999) + "2][input.a]"},
		{"in a comprehension", "r := [x | some x in [" + strings.Repeat("1, ", 999) + "2]; x == input.a]"},
		{"in a function", "r := f(input.a)\n\nf(x) := y if y := [" + strings.Repeat("1, ", 999) + "2][x]"},
		{"below a not", "r if not input.a in [" + strings.Repeat("1, ", 999) + "2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, compiled, err := compileBoth(t, "package p\n\n"+c.rules, `{}`)
			if err != nil {
				t.Fatal(err)
			}
			input := ast.MustParseTerm(`{"a": 7}`).Value
			if !agree(t, i, compiled, input) {
				t.Error("the program gave no answer")
			}
			var largest int
			for _, chunk := range compiled.machines.Get().(*machine).chunks {
				largest = max(largest, len(chunk))
			}
			if largest > frameChunk {
				t.Errorf("an evaluation makes room for %d variables", largest)
			}
			const few = 64
			if n := testing.AllocsPerRun(20, func() {
				if _, err := compiled.Evaluate(t.Context(), input); err != nil {
					t.Fatal(err)
				}
			}); n > few {
				t.Errorf("got %v allocations, want at most %d", n, few)
			}
		})
	}
}

// The branches of a long else chain share their room.
func TestLongElseChain(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("r := 0 if input.a == 0")
	const branches = 600
	for i := range branches {
		fmt.Fprintf(&rules, " else := x if { some y in input.list; x := [%d, y, {\"k\": [%d, y]}, [%d, {\"a\": null}]]; input.a == %d }", i, i, i, i+1)
	}
	i, c, err := compileBoth(t, "package p\n\n"+rules.String(), `{}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []int{0, 1, 7, branches, branches + 1} {
		if !agree(t, i, c, ast.MustParseTerm(fmt.Sprintf(`{"a": %d, "list": ["x"]}`, a)).Value) {
			t.Errorf("no answer for %d", a)
		}
	}
	if f := c.program.size(); f > 3*branches {
		t.Errorf("a call makes room for %d variables", f)
	}
}

// size is that of the largest frame of a call.
func (p *program) size() int {
	out := 0
	var visit func(n *pathNode)
	visit = func(n *pathNode) {
		if n.function != nil {
			out = max(out, n.function.size)
		}
		for _, child := range n.children {
			visit(child)
		}
	}
	visit(p.dynamic)
	return out
}

// The parts of constants are in the plan without the pass, and each evaluation makes them.
func TestConstantsPass(t *testing.T) {
	for _, c := range []passCase{
		{name: "an array", rules: "r := [1, [\"a\", null], {\"k\": {2, true}}][input.a]", input: `{"a": 1}`, want: `["a", null]`},
		{name: "a number that is written in another way", rules: "r := [1.50, 2] if input.a", input: `{"a": 1}`, want: `[1.5, 2]`},
		{name: "an else chain", rules: "r := [1, 2] if input.none else := [3, {\"k\": 4}] if input.a", input: `{"a": 1}`, want: `[3, {"k": 4}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, less := 0, 0
			comparePasses(t, c, append(slices.Clone(passes), counting(&all)), append(without("constants"), counting(&less)))
			if all >= less {
				t.Errorf("%d statements are lowered one by one with the pass, %d without", all, less)
			}
		})
	}
}

// counting counts the statements that no pass before it lowers.
func counting(n *int) pass {
	return pass{lower: func(*scope, []ir.Stmt) (s statement, used int) {
		*n++
		return nil, 0
	}}
}
