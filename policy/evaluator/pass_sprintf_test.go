package evaluator

import "testing"

func TestSprintf(t *testing.T) {
	testPass(t, "sprintf", []passCase{
		{name: "strings and numbers", rules: "r := sprintf(\"%s-%d %v %q\", [input.a, input.b, input.c, input.a])", input: `{"a": "x", "b": 1, "c": 2}`, want: `"x-1 2 \"x\""`},
		{name: "values that need package fmt", rules: "r := sprintf(\"%v\", [input])", input: `[1.50]`, want: `"[1.50]"`},
		{name: "a width", rules: "r := sprintf(\"%3d\", [input.b])", input: `{"b": 1}`, want: `"  1"`, left: true},
		{name: "another number of arguments", rules: "r := sprintf(\"%d\", [input.b, input.b])", input: `{"b": 1}`, want: `"1%!(EXTRA int64=1)"`, left: true},
		{name: "the arguments are used again", rules: "r := [x, sprintf(\"%d\", x)] if x := [input.b]", input: `{"b": 1}`, want: `[[1], "1"]`, left: true},
	})
}
