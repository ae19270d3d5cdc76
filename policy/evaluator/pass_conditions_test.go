package evaluator

import "testing"

func TestConditions(t *testing.T) {
	testPass(t, "conditions", []passCase{
		{name: "a type", rules: "r if is_string(input.a)", input: `{"a": "x"}`, want: `true`},
		{name: "strings", rules: "r if startswith(input.a, \"x\")", input: `{"a": "xy"}`, want: `true`},
		{name: "an order", rules: "r if not input.a > 1", input: `{"a": 1}`, want: `true`},
		{name: "a value", rules: "r := is_string(input.a)", input: `{"a": "x"}`, want: `true`, left: true},
	})
}
