package evaluator

import "testing"

func TestSettledBlocks(t *testing.T) {
	testPass(t, "settled blocks", []passCase{
		{name: "a package whose names are gone through", rules: "r := {k | some k, _ in data.p.q}\n\nq.a := input.a", input: `{"a": 1}`, want: `{"a"}`},
		{name: "a rule of a package", rules: "r := data.p.q.a\n\nq.a := input.a", input: `{"a": 1}`, want: `1`, left: true},
	})
}
