package evaluator

import (
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// Files with nothing but the documentation of a package change nothing for a program,
// where the footprint does not list the package.
func TestPackagesWithoutRules(t *testing.T) {
	empty := []string{"lib", "lib.text", "lib.none", "p", "other", "lib.text.deep.below"}
	rules := []string{
		`r := data.lib.text.a`, `r := data.lib.text.f(input.n)`, `r contains x if some x in data.lib.text.s`, `r := data.lib.text`, `r := data.lib`,
		`r := data.lib.text[input.k]`, `r := data.lib[input.k]`, `r := data.lib[input.k].a`, `r := data.lib.none`, `r := data.lib.none.a`, `r := data.lib.none[input.k]`, `r := {k: v | some k, v in data.lib}`,
		`r := {k | data.lib[k]}`, `r := {k | data.lib[k].a}`, `r := data.other`, `r := data.other.x`, `r := data.lib.text.deep`, `r := data.lib.text.deep.below`, `r := data.lib.text.deep.below.x`, `r if not data.lib.none`, `r if not data.lib[input.k].a`,
		`r := x if x := data.lib.text.a with data.lib.none as 1`, `r := x if x := data.lib with data.lib.none as 1`,
	}
	listed, programs := 0, 0
	for mask := range 1 << len(empty) {
		modules := func() map[string]*ast.Module {
			out := map[string]*ast.Module{"t.rego": ast.MustParseModule("package lib.text\n\na := 1 if input.n\n\nf(x) := x\n\ns contains input.n\n\ndeep.b := 2")}
			for i, name := range empty {
				if mask&(1<<i) != 0 {
					out[fmt.Sprintf("%d.rego", i)] = ast.MustParseModule("package " + name)
				}
			}
			return out
		}
		if mask&(1<<5) != 0 && mask%7 != 0 {
			continue // a few of them will do
		}
		for _, rule := range rules {
			all := modules()
			all["p.rego"] = ast.MustParseModule("package p\n\n" + rule)
			compiler := ast.NewCompiler()
			if compiler.Compile(all); compiler.Failed() {
				continue
			}
			ref := ast.MustParseRef("data.p.r")
			if len(footprint.Of(compiler, ref).Empty) > 0 {
				listed++
				continue
			}
			data := ast.MustParseTerm(`{"lib": {"base": {"a": 1}, "none2": 1}, "other": {"x": 1}}`).Value.(ast.Object)
			prepared, err := NewInterpreter(compiler, ref, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			program, err := NewCompiled(t.Context(), compiler, ref, nil, nil)
			if err != nil {
				continue
			}
			programs++
			for _, k := range []string{"text", "none", "base", "a", "s", "deep", "x"} {
				input := ast.MustParseTerm(fmt.Sprintf(`{"n": 5, "k": %q}`, k)).Value
				agree(t, interpreted{prepared, data}, compiled{program, data}, input)
				if t.Failed() {
					t.Fatalf("%s beside the packages of mask %b", rule, mask)
				}
			}
		}
	}
	if programs < 300 || listed < 50 {
		t.Errorf("%d programs, %d were listed", programs, listed)
	}
}
