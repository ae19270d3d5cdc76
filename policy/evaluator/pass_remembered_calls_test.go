package evaluator

import "testing"

func TestRememberedCalls(t *testing.T) {
	for _, c := range []struct {
		passCase
		functions int
	}{
		{passCase{name: "a loop", rules: "r contains f(x) if some x in input.a\n\nf(x) := sum([y | some y in numbers.range(1, x)])", input: `{"a": [3, 3, 2]}`, want: `{6, 3}`}, 1},
		{passCase{name: "more calls than are remembered one by one", rules: "r contains f(x % 3) if some x in numbers.range(1, 100)\n\nf(x) := sum([y | some y in numbers.range(0, x)])", input: `{}`, want: `{0, 1, 3}`}, 1},
		{passCase{name: "a function in whose place a rule is put", rules: "r := [x, f(1)] if x := t with f as input.a\n\nt := f(1)\n\nf(x) := x", input: `{"a": 5}`, want: `[5, 1]`}, 1},
		{passCase{name: "a cheap function", rules: "r if f(input.a)\n\nf(x) if x == 1", input: `{"a": 1}`, want: `true`}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			with, without := comparePasses(t, c.passCase, passes, without("remembered calls"))
			if with.program.functions != c.functions || without.program.functions != 0 {
				t.Errorf("the calls of %d functions are remembered with the pass, want %d; of %d without", with.program.functions, c.functions, without.program.functions)
			}
		})
	}
}
