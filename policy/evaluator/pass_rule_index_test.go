package evaluator

import "testing"

func TestRuleIndex(t *testing.T) {
	for _, c := range []struct {
		passCase
		indexes int
	}{
		{passCase{name: "many definitions", rules: manyOf("input.a"), input: `{"a": "b"}`, want: `{"b"}`}, 1},
		{passCase{name: "many definitions of a function", rules: "r := f(input.a)\n\nf(0) := 1\n\nf(1) := 2\n\nf(2) := 3\n\nf(3) := 4\n\nf(4) := 5\n\nf(5) := 6", input: `{"a": 4}`, want: `5`}, 1},
		{passCase{name: "few definitions", rules: "r contains 1 if input.a == 1\n\nr contains 2 if input.a == 2", input: `{"a": 2}`, want: `{2}`}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			with, without := comparePasses(t, c.passCase, passes, without("rule index"))
			if len(with.program.indexes) != c.indexes || len(without.program.indexes) != 0 {
				t.Errorf("%d rules have an index with the pass, want %d; %d without", len(with.program.indexes), c.indexes, len(without.program.indexes))
			}
		})
	}
}
