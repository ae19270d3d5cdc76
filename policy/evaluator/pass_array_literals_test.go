package evaluator

import "testing"

func TestArrayLiterals(t *testing.T) {
	testPass(t, "array literals", []passCase{
		{name: "elements", rules: "r := [input.a, 1, [input.b]]", input: `{"a": 1, "b": 2}`, want: `[1, 1, [2]]`},
		{name: "constant parts", rules: "r := [[1, 2], input.a, {\"k\": null}]", input: `{"a": 1}`, want: `[[1, 2], 1, {"k": null}]`},
		{name: "a constant", rules: "r := [1, 2]", input: `{}`, want: `[1, 2]`, left: true},
	})
}
