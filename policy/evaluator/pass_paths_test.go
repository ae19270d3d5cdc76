package evaluator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// manyOf are so many rules about one reference that OPA's index is asked.
func manyOf(reference string) string {
	var out strings.Builder
	for i := range indexFrom {
		name := string(rune('a' + i))
		fmt.Fprintf(&out, "r contains %q if %s == %q\n\n", name, reference, name)
	}
	return out.String()
}

// TestInputInParts: run compares a document with the same input as a whole.
func TestInputInParts(t *testing.T) {
	for name, c := range map[string]struct {
		rules, input, want string
		whole              bool
	}{
		"a name":                        {rules: `r := input.a.b`, input: `{"a": {"b": 1}}`, want: `1`},
		"nothing there":                 {rules: `r := input.a.b`, input: `{"a": {}}`},
		"a name in a list":              {rules: `r := input.a["0"]`, input: `{"a": ["x"]}`},
		"a name in a string":            {rules: `r := input.a.b`, input: `{"a": "x"}`},
		"input that is no object":       {rules: `r := input.a`, input: `["x"]`},
		"null":                          {rules: `r := input.a`, input: `{"a": null}`, want: `null`},
		"the same twice":                {rules: `r := [input.a, input.a.b]`, input: `{"a": {"b": 1}}`, want: `[{"b": 1}, 1]`},
		"a negation":                    {rules: `r if not input.a.b`, input: `{"a": {"b": false}}`, want: `true`},
		"an index over a name":          {rules: manyOf(`input.a`), input: `{"a": "b"}`, want: `{"b"}`},
		"an index over a position":      {rules: manyOf(`input.a[0]`), input: `{"a": ["b"]}`, want: `{"b"}`},
		"an index over what is missing": {rules: manyOf(`input.a.c`) + "\n\nr contains \"b\" if input.b == \"b\"", input: `{"b": "b"}`, want: `{"b"}`},
		"an index over input":           {rules: manyOf(`input`), input: `"b"`, want: `{"b"}`, whole: true},
		"all of it":                     {rules: `r := input`, input: `{"a": 1}`, want: `{"a": 1}`, whole: true},
		"a computed name":               {rules: `r := input[input.name]`, input: `{"name": "a", "a": 1}`, want: `1`, whole: true},
		"all names":                     {rules: `r contains k if some k, _ in input`, input: `{"a": 1}`, want: `{"a"}`, whole: true},
		"an argument":                   {rules: "r := f(input)\n\nf(x) := x.a", input: `{"a": 1}`, want: `1`, whole: true},
		"an argument of a builtin":      {rules: `r := count(input)`, input: `{"a": 1}`, want: `1`, whole: true},
		"another input":                 {rules: "r := y if y := x with input as {\"a\": 2}\n\nx := input.a", input: `{"a": 1}`, want: `2`, whole: true},
		"another part":                  {rules: "r := y if y := x with input.b as 2\n\nx := [input.a, input.b]", input: `{"a": 1}`, want: `[1, 2]`, whole: true},
		"a rule of a computed name":     {rules: "r := data.p.q[input.name]\n\nq.a := input.b", input: `{"name": "a", "b": 1}`, want: `1`},
		"a default for a function":      {rules: "r := f(input.a)\n\ndefault f(_) := 0\n\nf(x) := x + input.b", input: `{"a": 1, "b": 2}`, want: `3`},
	} {
		t.Run(name, func(t *testing.T) {
			i, program := evaluators(t, c.rules, `{}`)
			if program.program.wholeInput != c.whole {
				t.Errorf("input is read whole: %v, want %v", program.program.wholeInput, c.whole)
			}
			input := ast.MustParseTerm(c.input).Value
			var want ast.Value
			if c.want != "" {
				want = ast.MustParseTerm(c.want).Value
			}
			if got, err := program.run(t.Context(), input); err != nil || !equalValues(got, want) {
				t.Errorf("got %v and error %v, want %v", got, err, want)
			}
			if got, err := i.Evaluate(t.Context(), input); err != nil || !equalValues(got, want) {
				t.Errorf("the interpreter gives %v and error %v, want %v", got, err, want)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	testPass(t, "paths", []passCase{
		{name: "input", rules: "r := [input.a.b, input.a.b]", input: `{"a": {"b": 1}}`, want: `[1, 1]`},
		{name: "data", rules: "r := data.base.obj.x", input: `{}`, want: `"b"`},
		{name: "data of which a part is replaced", rules: "r := [x, data.base.obj.a] if x := y with data.base.obj.a as 2\n\ny := data.base.obj", input: `{}`, want: `[{"2": "two", "a": 2, "x": "b"}, 1]`},
		{name: "input that is replaced", rules: "r := [x, input.a] if x := y with input.a as 2\n\ny := input.a", input: `{"a": 1}`, want: `[2, 1]`},
		{name: "all of input", rules: "r := input", input: `1`, want: `1`, left: true},
	})
}
