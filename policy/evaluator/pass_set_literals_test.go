package evaluator

import "testing"

func TestSetLiterals(t *testing.T) {
	testPass(t, "set literals", []passCase{
		{name: "many elements", rules: "r := count(s)\n\ns := {input.a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}", input: `{"a": 17}`, want: `17`},
		{name: "one that is there twice", rules: "r := count(s)\n\ns := {input.a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}", input: `{"a": 1}`, want: `16`},
		{name: "few elements", rules: "r := {input.a, 1}", input: `{"a": 2}`, want: `{1, 2}`, left: true},
	})
}
