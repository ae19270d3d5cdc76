package evaluator

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The elements of a literal that are known at run time come in the order in which they
// are written, equal ones twice, wherever OPA's interpreter has them so.
func TestLiteralsMadeAtRunTime(t *testing.T) {
	inputs := []string{
		`{"a": 2, "b": 1}`, `{"a": 1, "b": 1}`, `{"a": 1, "b": 2}`, `{"a": "x", "b": 1}`, `{"a": 1, "b": "x"}`, `{"a": [2], "b": [1]}`,
		`{"a": {"c": 1}, "b": {"c": 1}}`, `{"b": 1}`, `{"a": false, "b": 1}`, `{"a": 10, "b": 9, "k": "a"}`,
	}
	for _, c := range []struct {
		name, rules string
		interpreted bool // it is left to the interpreter
	}{
		{"in a list", `r := [x | some x in {input.a, input.b}]`, false},
		{"counted", `r := count([x | some x in {input.a, input.b}])`, false},
		{"beside constants", `r := [x | some x in {input.a, 1, input.b, "y"}]`, false},
		{"constants by a variable", `r := [x | y := 2; some x in {y, 1, input.a}]`, false},
		{"with a key", `r := [[k, x] | some k, x in {input.a, input.b}]`, true},
		{"bound to a variable", "r := [x, y, n, s] if {\n\ts := {input.a, input.b}\n\tx := [e | some e in s]\n\ty := [e | s[e]]\n\tn := count(s)\n}", true},
		{"iterated and counted", "r := [x, n, s] if {\n\ts := {input.a, input.b}\n\tx := [e | some e in s]\n\tn := count(s)\n}", false},
		{"looked up", "r := [x | s := {input.a, input.b}; some x in [1, 2, 3]; s[x]]", false},
		{"a member", "r := [x | some x in [1, 2, 3]; x in {input.a, input.b}]", false},
		{"in a set", `r := {x | some x in {input.a, input.b}}`, false},
		{"as the elements of a rule", `r contains x if some x in {input.a, input.b}`, false},
		{"as the keys of a rule", `r[x] := 1 if some x in {input.a, input.b}`, false},
		{"the first that holds", `r if { some x in {input.a, input.b}; to_number(x) > 0 }`, false},
		{"every", `r if every x in {input.a, input.b} { to_number(x) > 1 }`, false},
		{"every with a key", `r if every k, x in {input.a, input.b} { to_number(x) > 1; k == x }`, true},
		{"below a not", `has if { some x in {input.a, input.b}; to_number(x) > 1 }

r if not has`, false},
		{"parts of elements", `r := [x.c | some x in {input.a, input.b}]`, false},
		{"in a set in a set", `r := [y | some x in {{input.a, input.b}, {input.b}}; some y in x]`, true},
		{"in an array", `r := [y | some x in [{input.a, input.b}, {input.b}]; some y in x]`, true},
		{"in an object", `r := [y | x := {"s": {input.a, input.b}}; some y in x.s]`, true},
		{"one element", `r := [x | some x in {input.a}]`, false},
		{"of a rule", "r := [x | some x in s]\n\ns := {input.a, input.b}", true},
		{"of a rule, into a set", "r := {x | some x in s}\n\ns := {input.a, input.b}", false},
		{"of a rule, twice", "r := [[x | some x in s], [x | some x in s]]\n\ns := {input.a, input.b}", true},
		{"of a rule, tested", "r if input.c in s\n\nr if s[input.a]\n\ns := {input.a, input.b}", false},
		{"of a partial rule", "r := [x | some x in s]\n\ns contains input.a\n\ns contains input.b", false},
		{"of a function", "r := [x | some x in f(input.a)]\n\nf(x) := {x, input.b}", true},
		{"handed to a function", "r := f({input.a, input.b})\n\nf(s) := [x | some x in s]", true},
		{"handed to a function that counts", "r := f({input.a, input.b})\n\nf(s) := count(s)", false},
		{"handed to a function that fills a set", "r := f({input.a, input.b})\n\nf(s) := {x | some x in s}", false},
		{"handed on", "r := f({input.a, input.b})\n\ng(s) := [x | some x in s]\n\nf(y) := g(y)", true},
		{"handed to a function that takes another's place", "r := x if x := t with g as f\n\nt := g({input.a, input.b})\n\ng(s) := s\n\nf(s) := [x | some x in s]", true},
		{"as input", "r := x if x := t with input as {input.a, input.b}\n\nt := [x | some x in input]", false},
		{"of a comprehension", "r := [x | some x in {y | some y in [input.a, input.b]}]", false},
		{"compared", `r if {input.a, 1} == {input.b, 1}`, false},
		{"object by its keys", `r := [[k, v] | some k, v in {input.a: 1, input.b: 2}]`, true},
		{"object with equal keys", `r := {k: v | some k, v in {input.a: 1, input.b: 2}}`, true},
		{"object as a value", `r := {input.a: 1, input.b: 2}`, false},
		{"object as a value, counted", `r := count({input.a: 1, input.b: 2})`, false},
		{"object with one key", `r := [v | some v in {input.a: {input.b}}]`, false},
		{"object looked up", `r := {input.a: 1, input.b: 2}[input.b]`, true},
		{"object unified", `r := x if {input.a: x, "k": 2} = input.o`, true},
		{"object compared", `r if {input.a: 1, input.b: 2} == {input.b: 2, input.a: 1}`, true},
		{"object handed to object.get", `r := object.get({input.a: 1, input.b: 2}, input.b, 3)`, false},
		{"object of constant keys", `r := [v | some v in {"x": input.a, "y": input.b}]`, false},
		{"in a head", `f(x) := {x, input.b}

r := count(f(input.a))`, false},
		{"as a key of a partial rule", "r := p[{input.a, input.b}]\n\np[{input.a, input.b}] := 1", false},
		{"as a key of data", "r := data.base[{input.a, input.b}]", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, compiled, err := compileBoth(t, "package p\n\n"+c.rules, `{"base": {"a": 1}}`)
			if (err != nil) != c.interpreted {
				t.Fatalf("got %v, want a program: %v", err, !c.interpreted)
			}
			if err != nil {
				return
			}
			for _, input := range inputs {
				agree(t, i, compiled, ast.MustParseTerm(input).Value)
			}
		})
	}
}
