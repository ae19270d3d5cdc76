package evaluator

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
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
