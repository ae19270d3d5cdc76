package evaluator

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A rule that is asked for one key knows it before it reads data, where a number is
// found by the string of its digits, and the other way round.
func TestKeysOfRulesOverData(t *testing.T) {
	data := `{"base": {"2": "two", "a": 1}, "list": ["x", "y", "z"], "deep": {"a": {"2": "two"}}}`
	for _, rules := range []string{
		"r := table[input.k]\n\ntable[k] := v if some k, v in data.base",
		"r := table[2]\n\ntable[k] := v if some k, v in data.base",
		"r := table[\"1\"]\n\ntable[k] := v if some k, v in data.list",
		"r := [table.a, table[input.k]]\n\ntable[k] := v if some k, v in data.base",
		"r := [count(table), table[input.k]]\n\ntable[k] := v if some k, v in data.base",
		"r := [x | some k in [\"a\", 2, \"2\", 1]; x := table[k]]\n\ntable[k] := v if some k, v in data.base",
		"r if parts[input.k]\n\nparts contains k if some k, _ in data.base",
		"r if parts[[input.k, \"two\"]]\n\nparts contains [k, v] if some k, v in data.base",
		"r if parts[input.k]\n\nparts contains k if some k, _ in data.base\n\nparts contains input.z",
		"r := table.a[input.k]\n\ntable.a[k] := v if some k, v in data.base",
		"r := table.a[input.k]\n\ntable[n][k] := v if { some n, o in data.deep; some k, v in o }",
		"r if table.a[input.k]\n\ntable[n] contains k if { some n, o in data.deep; some k, _ in o }",
		"r := x if x := t with f as input.z\n\nt := table[input.k]\n\ntable[k] := v if some k, v in data.base\n\nf(x) := x",
		"r := table[input.k]\n\ntable[k] := v if { some k, v in data.base; v != 1 }\n\ntable.z := 1",
		"r := whole[input.k]\n\nwhole := {k: v | some k, v in data.base}",
		"r := data.p.q[input.n][input.k]\n\nq.t[k] := v if some k, v in data.base\n\nq.s contains k if some k, _ in data.base",
		"r if not table[input.k]\n\ntable[k] := v if some k, v in data.base",
	} {
		for _, input := range []string{`{"k": 2, "n": "t"}`, `{"k": "2", "n": "t"}`, `{"k": 2, "n": "s"}`, `{"k": 1, "z": 1}`, `{"k": "1"}`, `{"k": 2.0}`, `{"k": "a", "n": "s", "z": "a"}`, `{"k": 3, "z": 3}`} {
			t.Run(rules+input, func(t *testing.T) {
				i, c, err := compileBoth(t, "package p\n\n"+rules, data)
				if err == nil {
					agree(t, i, c, ast.MustParseTerm(input).Value)
				}
			})
		}
	}
}

func TestKeyLookup(t *testing.T) {
	testPass(t, "key lookup", []passCase{
		{name: "a key of an object", rules: "r := table[input.k]\n\ntable[k] := v if some k, v in input.o", input: `{"k": "a", "o": {"a": 1, "b": 2}}`, want: `1`},
		{name: "an element of a set", rules: "r if s[input.k]\n\ns contains k if some k in input.l", input: `{"k": 2, "l": [1, 2]}`, want: `true`},
		{name: "a constant key", rules: "r if s[input.k]\n\ns contains \"a\" if input.l\n\ns contains \"b\" if input.m", input: `{"k": "a", "l": 1}`, want: `true`},
		{name: "two keys", rules: "r := [table[input.k], table[input.l]]\n\ntable[k] := v if some k, v in input.o", input: `{"k": "a", "l": "b", "o": {"a": 1, "b": 2}}`, want: `[1, 2]`},
		{name: "a key in a negation", rules: "r := table[input.k]\n\ntable[k] := 1 if { some k in input.l; not k == 1 }", input: `{"k": 2, "l": [1, 2]}`, want: `1`},
		{name: "all keys", rules: "r := table\n\n# Theirs.\ntable[k] := v if some k, v in input.o", input: `{"o": {"a": 1}}`, want: `{"a": 1}`, left: true},
		{name: "a rule with a value", rules: "r := table[input.k]\n\ntable := {k: v | some k, v in input.o}", input: `{"k": "a", "o": {"a": 1}}`, want: `1`, left: true},
	})
}
