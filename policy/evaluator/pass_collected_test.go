package evaluator

import "testing"

func TestCollectedSets(t *testing.T) {
	testPass(t, "collected sets", []passCase{
		{name: "a few elements", rules: "r contains x if some x in input.a\n\nr contains 1", input: `{"a": [3, 1, 2, 1]}`, want: `{1, 2, 3}`},
		{name: "no elements", rules: "r contains x if some x in input.a", input: `{"a": []}`, want: `set()`},
		{name: "more than are put aside", rules: "r := count(s)\n\ns contains x if some x in numbers.range(1, input.n)", input: `{"n": 100}`, want: `100`},
		{name: "a rule in another one", rules: "r contains [x, count(s)] if some x in input.a\n\ns contains x if some x in input.a", input: `{"a": [1, 2]}`, want: `{[1, 2], [2, 2]}`},
		{name: "an object", rules: "r[x] := 1 if some x in input.a", input: `{"a": ["k"]}`, want: `{"k": 1}`, left: true},
	})
}
