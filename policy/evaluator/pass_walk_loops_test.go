package evaluator

import "testing"

func TestWalkLoops(t *testing.T) {
	testPass(t, "walk loops", []passCase{
		{name: "values", rules: "r contains v if { walk(input, [_, v]); is_number(v) }", input: `{"a": [1, {"b": 2}]}`, want: `{1, 2}`},
		{name: "the first that holds", rules: "r if { walk(input, [_, v]); v == 2 }", input: `{"a": [1, {"b": 2}]}`, want: `true`},
		{name: "a set", rules: "r contains v if { walk({1, 2}, [_, v]); is_number(v) }", input: `{}`, want: `{1, 2}`},
		{name: "paths", rules: "r contains p if { walk(input, [p, v]); v == 1 }", input: `{"a": 1}`, want: `{["a"]}`, left: true},
		{name: "pairs", rules: "r contains p if walk(input, p)", input: `1`, want: `{[[], 1]}`, left: true},
	})
}
