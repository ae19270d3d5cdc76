package evaluator

import "testing"

func TestInlineBuiltins(t *testing.T) {
	testPass(t, "inline builtins", []passCase{
		{name: "a type", rules: "r := is_string(input.a)", input: `{"a": 1}`, want: `false`},
		{name: "an order", rules: "r := input.a > 0", input: `{"a": 1}`, want: `true`},
		{name: "strings", rules: "r := [contains(input.a, \"x\"), endswith(input.a, \"x\")]", input: `{"a": "xy"}`, want: `[true, false]`},
		{name: "a number of elements", rules: "r := count(input.a)", input: `{"a": [1, 2]}`, want: `2`},
		{name: "a path in an object", rules: "r := object.get(input.a, [\"b\", 0], 7)", input: `{"a": {"b": [1]}}`, want: `1`},
		{name: "a function of OPA's", rules: "r := upper(input.a)", input: `{"a": "x"}`, want: `"X"`, left: true},
	})
}
