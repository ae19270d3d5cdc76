package evaluator

import "testing"

func TestStreams(t *testing.T) {
	testPass(t, "streams", []passCase{
		{name: "a set of values", rules: "r contains x + 1 if some x in s\n\n# Theirs.\ns contains x if some x in input.a", input: `{"a": [1, 2, 1]}`, want: `{2, 3}`},
		{name: "arrays that are taken apart", rules: "r contains sprintf(\"%s %d\", [x, y]) if some [x, y] in s\n\n# Theirs.\ns contains [k, v] if some k, v in input.a", input: `{"a": {"k": 1, "l": 2}}`, want: `{"k 1", "l 2"}`},
		{name: "arrays of another length", rules: "r contains x if some [x, _] in s\n\n# Theirs.\ns contains [v] if some v in input.a\n\ns contains [v, 1] if some v in input.a", input: `{"a": [1, 2]}`, want: `{1, 2}`},
		{name: "a rule that streams what it is sent", rules: "r contains x if some x in s\n\n# Theirs.\ns contains x if some x in u\n\n# Theirs.\nu contains x if some x in input.a", input: `{"a": [1, 2]}`, want: `{1, 2}`},
		{name: "a rule that is known before", rules: "r contains x if some x in s\n\nr contains count(s)\n\ns contains x if some x in input.a", input: `{"a": [5, 6]}`, want: `{2, 5, 6}`},
		{name: "a list, whose order shows", rules: "r := [x | some x in s]\n\ns contains x if some x in input.a", input: `{"a": [2, 1]}`, want: `[1, 2]`, left: true},
		{name: "a set that three rules loop over", rules: "r contains x if some x in s\n\nr contains [x] if some x in s\n\nr contains [x, x] if some x in s\n\n# Theirs.\ns contains x if some x in input.a", input: `{"a": [1]}`, want: `{1, [1], [1, 1]}`, left: true},
	})
}
