package evaluator

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestGroupedComprehensions compares comprehensions that OPA's interpreter groups.
func TestGroupedComprehensions(t *testing.T) {
	around := func(comprehension string) string {
		return "r contains [a, l] if {\n\tsome x in input.list\n\ta := x.a\n\tl := " + comprehension + "\n}"
	}
	for _, c := range []struct{ name, rules string }{
		{"array", around(`[y.b | some y in input.list; y.a == a]`)},
		{"set", around(`{y.b | some y in input.list; y.a == a}`)},
		{"object", around(`{y.id: y.b | some y in input.list; y.a == a}`)},
		{"object with values that conflict", around(`{"k": y.b | some y in input.list; y.a == a}`)},
		{"a key that is a constant with parts", "r := [k, l] if {\n\tk := [1, {\"a\": 2}]\n\tl := [y | some y in input.pairs; [k, _] = y]\n}"},
		{"a key that is a constant without parts", "r := [k, l] if {\n\tk := [\"x\"]\n\tl := [y | some y in input.pairs; [k, _] = y]\n}"},
		{"a key that is a constant in a literal", "r := [[k, input.a], l] if {\n\tk := [1, {\"a\": 2}]\n\tl := [y | some y in input.pairs; [k, _] = y]\n}"},
		{"the key first", around(`[y.b | some y in input.list; a == y.a]`)},
		{"the key twice", around(`[y.b | some y in input.list; a == y.a; a == y.b]`)},
		{"the key after that", around(`[[a, y.b, z] | some y in input.list; a == y.a; z := [a, 1]; y.b != a]`)},
		{"the key in a nested comprehension", around(`[z | some y in input.list; a == y.a; z := [a | y.b]]`)},
		{"two keys", "r contains [a, b, l] if {\n\tsome x in input.list\n\ta := x.a\n\tb := x.b\n\tl := [y.id | some y in input.list; y.a == a; y.b == b]\n}"},
		{"two keys of an object pattern", "r contains [a, b, l] if {\n\tsome x in input.list\n\ta := x.a\n\tb := x.b\n\tl := [y.id | some y in input.list; {\"a\": a, \"b\": b} = {\"a\": y.a, \"b\": y.b}]\n}"},
		{"an array pattern", around(`[y | some y in input.pairs; [a, _] = y]`)},
		{"data", around(`[k | some k, y in data.table; y.a == a]`)},
		{"a reference with variables", around(`[i | data.table[i].a == a]`)},
		{"a rule", around(`[y | some y in parts; y.a == a]`) + "\n\nparts contains x if some x in input.list"},
		{"two loops", around(`[[y.id, z.id] | some y in input.list; some z in input.list; y.b == z.b; y.a == a]`)},
		{"the key between loops", around(`[[y.id, z.id] | some y in input.list; y.a == a; some z in input.list; z.b == y.b]`)},
		{"a condition on the way", around(`[y.id | some y in input.list; y.b > 1; not y.none; y.a == a]`)},
		{"an every on the way", around(`[y.id | some y in input.list; every z in input.list { z.id != y }; y.a == a]`)},
		{"a call", around(`[y.id | some y in input.list; upper(y.name) == a]`)},
		{"a function", "r contains f(x.a) if some x in input.list\n\nf(a) := [y.id | some y in input.list; y.a == a]"},
		{"a function whose arguments go on", "r contains f(x.a, x.b) if some x in input.list\n\nf(a, b) := [l, b, a] if l := [y.id | some y in input.list; y.a == a]"},
		{"an element's error", around(`[to_number(y.name) | some y in input.list; y.a == a]`)},
		{"an element's error in a group that is not needed", "r := [l, z] if {\n\ta := input.a\n\tl := [z | some y in input.list; y.a == a; z := to_number(y.name)]\n\tz := 1\n}"},
		{"a key that no element has", "r := l if {\n\ta := input.a\n\tl := [y | some y in input.list; y.a == a]\n}"},
		{"a set that no element is in", "r := l if {\n\ta := input.a\n\tl := {y | some y in input.list; y.a == a}\n}"},
		{"an object without elements", "r := l if {\n\ta := input.a\n\tl := {y.id: y | some y in input.list; y.a == a}\n}"},
		{"nothing to go through", "r := l if {\n\ta := input.a\n\tl := {y.id: y | some y in input.nothing; y.a == a}\n}"},
		{"with other input", "r contains [n, l] if {\n\tsome n in [1, 2]\n\tl := lists with input.list as [{\"a\": 1, \"id\": n}]\n}\n\nr contains x if some x in lists\n\n# Theirs.\nlists contains [a, l] if {\n\tsome x in input.list\n\ta := x.a\n\tl := [y.id | some y in input.list; y.a == a]\n}"},
		{"in a condition", "r contains x.id if {\n\tsome x in input.list\n\ta := x.a\n\tcount([1 | some y in input.list; y.a == a]) > 1\n}"},
		{"in the head", "r[a] := count([1 | some y in input.list; y.a == a]) if {\n\tsome x in input.list\n\ta := x.a\n}"},
		{"in an else", "r := 1 if input.none\n\nelse := [a, l] if {\n\ta := input.list[0].a\n\tl := [y.id | some y in input.list; y.a == a]\n}"},
		{"in a set that is streamed", "r contains [x, l] if some [x, l] in all\n\n# Theirs.\nall contains [a, l] if {\n\tsome x in input.list\n\ta := x.a\n\tl := [y.id | some y in input.list; y.a == a]\n}"},
		{"one in another", around(`[z | some y in input.list; b := y.b; z := [v.id | some v in input.list; v.b == b]; y.a == a]`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, p := evaluators(t, c.rules, `{"table": {"x": {"a": 1}, "y": {"a": 2}, "z": {"a": 1}}}`)
			found, err := groupedBy(i.compiler, ast.MustParseRef("data.p.r"))
			if err != nil {
				t.Fatal(err)
			}
			groups := 0
			for _, is := range found {
				if is {
					groups++
				}
			}
			if groups == 0 && !strings.Contains(c.name, "nested") {
				t.Error("OPA's interpreter groups nothing here")
			}
			for _, input := range []string{
				`{"a": 1, "list": [{"id": 1, "a": 1, "b": 2, "name": "1"}, {"id": 2, "a": 1.0, "b": 1, "name": "2"}, {"id": 3, "a": 2, "b": 2, "name": "3"}, {"id": 4, "b": 3, "a": "B", "name": "b"}], "pairs": [[1, 2], [2, 1], [1, 3], [1]]}`,
				`{"a": 7, "list": [{"id": 1, "a": 1, "b": 2, "name": "1"}, {"id": 2, "a": 2, "b": 2, "name": "x"}]}`,
				`{"a": 7, "list": []}`,
				`{}`,
			} {
				value := ast.MustParseTerm(input).Value
				want, wantErr := i.Evaluate(t.Context(), value)
				got, gotErr := p.run(t.Context(), value)
				if gotErr == nil && wantErr != nil || gotErr == nil && !equalValues(got, want) {
					t.Errorf("got %v, want %v and error %v for %s", got, want, wantErr, input)
				}
				if gotErr != nil && wantErr == nil {
					t.Errorf("got the error %v of the program alone, want %v", gotErr, want)
				}
			}
		})
	}
}

func TestGroupedComprehensionsPass(t *testing.T) {
	testPass(t, "grouped comprehensions", []passCase{
		{name: "one key", rules: "r contains [a, l] if {\n\tsome x in input.list\n\ta := x.a\n\tl := [y.b | some y in input.list; y.a == a]\n}", input: `{"list": [{"a": 1, "b": 2}, {"a": 1, "b": 3}]}`, want: `{[1, [2, 3]]}`, refused: true},
		{name: "no key", rules: "r := [y.b | some y in input.list]", input: `{"list": [{"b": 2}]}`, want: `[2]`, left: true},
	})
}
