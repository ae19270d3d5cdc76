package evaluator

import "testing"

func TestObjectKeys(t *testing.T) {
	testPass(t, "object keys", []passCase{
		{name: "a key", rules: "r if \"k\" in object.keys(input.a)", input: `{"a": {"k": 1}}`, want: `true`},
		{name: "a negation", rules: "r if not \"l\" in object.keys(input.a)", input: `{"a": {"k": 1}}`, want: `true`, left: true},
		{name: "another key", rules: "default r := 1\n\nr := 2 if \"l\" in object.keys(input.a)", input: `{"a": {"k": 1}}`, want: `1`},
		{name: "the keys are used again", rules: "r := keys if { keys := object.keys(input.a); \"k\" in keys }", input: `{"a": {"k": 1}}`, want: `{"k"}`, left: true},
	})
}
