package evaluator

import "testing"

func TestAliases(t *testing.T) {
	testPass(t, "aliases", []passCase{
		{name: "a name for a reference", rules: "r := [y, z] if { x := input.a; y := x; z := y }", input: `{"a": 1}`, want: `[1, 1]`},
		{name: "a name for a parameter", rules: "r := f(input.a)\n\nf(x) := y if { y := x; y > 0 }", input: `{"a": 1}`, want: `1`},
		{name: "a name in a loop", rules: "r contains y if { some x in input.a; y := x }", input: `{"a": [1, 2]}`, want: `{1, 2}`},
		{name: "no name", rules: "r if input.a == 1", input: `{"a": 1}`, want: `true`, left: true},
	})
}
