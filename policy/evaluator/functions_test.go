package evaluator

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// To a reference with a variable, a function is nothing, whether the name is known or
// not.
func TestFunctionsAmongRules(t *testing.T) {
	for _, rules := range []string{
		`r := data.p.q[input.name]`,
		`r contains k if data.p.q[k]`,
		`r contains [k, v] if some k, v in data.p.q`,
		`r if not data.p.q[input.name]`,
		`r := x if x := data.p.q[input.name] with q.f as 3`,
		`r contains [k, v] if { some k; v := data.p.q[k] with q.g as input.name }`,
		`r if not data.p.q[input.name] == 1`,
		`r contains k if { some k in ["a", "f", "base"]; not data.p.q[k] with input.name as null }`,
		`r := count([k | data.p.q[k]])`,
		`r := v if { some n in [input.name]; v := data.p.q[n].b }`,
	} {
		for _, name := range []string{"a", "f", "g", "none", "s", "base"} {
			t.Run(rules+" "+name, func(t *testing.T) {
				source := "package p\n\nimport data.p.q\n\n" + rules + "\n"
				other := "package p.q\n\na := 1 if input.name\n\nf(x) := x\n\ns contains \"b\"\n\ng(_, y) := y if y > 1\n\ndefault g(_, _) := 2\n"
				compiler := ast.NewCompiler()
				if compiler.Compile(map[string]*ast.Module{"p.rego": ast.MustParseModule(source), "q.rego": ast.MustParseModule(other)}); compiler.Failed() {
					t.Fatal(compiler.Errors)
				}
				data := ast.MustParseTerm(`{"p": {"q": {"base": {"b": 3}}}}`).Value.(ast.Object)
				i, c := evaluatorsOf(t, compiler, data, ast.MustParseRef("data.p.r"))
				input := ast.MustParseTerm(`{"name": "` + name + `", "outer": "q"}`).Value
				if !agree(t, i, c, input) {
					if _, err := i.Evaluate(t.Context(), input); err == nil {
						t.Error("the program gave no answer")
					}
				}
			})
		}
	}
}
