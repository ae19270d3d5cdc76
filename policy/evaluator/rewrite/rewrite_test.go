package rewrite

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestForPlanning(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		// written is in the rules that are planned: none where they stay as they are.
		written string
		// refused is in the error.
		refused string
	}{
		{name: "as it is", rules: "r if input.a"},
		{name: "modifiers of documents first", rules: "r if t with f as 1 with input.a as 2\n\nt if f(input.a)\n\nf(x) := x", written: "with input.a as 2 with data.p.f as 1"},
		{name: "a value of variables in the place of a function", rules: "r if { some x in input; t with f as [x] }\n\nt if f(1)\n\nf(x) := x", written: "with data.p.f as __verdict"},
		{name: "a negation that goes on in a block of its own", rules: "r if not data.p.q[input.a]\n\nq.a := 1", written: "not data.p.q["},
		{name: "a loop over a set that is made at run time", rules: "r := [x | s := {input.a, input.b}; some x in s]", written: "__verdict1__ = [__local"},
		{name: "an expression that is a comprehension", rules: "r if [x | some x in input]", refused: "comprehension"},
		{name: "a function in the place of a value", rules: "r if t with data.names as f\n\nt if data.names\n\nf(x) := x", refused: "a function takes the place of a value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			compiler := ast.NewCompiler()
			if compiler.Compile(map[string]*ast.Module{"p.rego": ast.MustParseModule("package p\n\n" + c.rules)}); compiler.Failed() {
				t.Fatal(compiler.Errors)
			}
			before := compiler.Modules["p.rego"].String()
			got, err := ForPlanning(compiler, ast.MustParseRef("data.p.r"))
			if after := compiler.Modules["p.rego"].String(); after != before {
				t.Errorf("the rules of the compiler became\n%s", after)
			}
			switch {
			case c.refused != "":
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got error %v, want one about %q", err, c.refused)
				}
			case err != nil:
				t.Error(err)
			case c.written == "":
				if got != compiler {
					t.Errorf("rules that can be planned were rewritten:\n%s", got.Modules["p.rego"])
				}
			case got == compiler || !strings.Contains(got.Modules["p.rego"].String(), c.written):
				t.Errorf("got\n%s\nwant %q in it", got.Modules["p.rego"], c.written)
			}
		})
	}
}

func TestWalkTerms(t *testing.T) {
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": ast.MustParseModule("package p\n\nr := 1 if q\n\n# q is twice.\nq if input.x == 2\n\nq if 3 == input.x else := 4 if input.y\n\nunrelated := 5")}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	seen := map[string]bool{}
	WalkTerms(compiler, ast.MustParseRef("data.p.r"), func(term *ast.Term) bool {
		seen[term.String()] = true
		return false
	})
	for text, want := range map[string]bool{"1": true, "2": true, "3": true, "4": true, "5": false} {
		if seen[text] != want {
			t.Errorf("the term %s was visited: %v, want %v", text, seen[text], want)
		}
	}
}
