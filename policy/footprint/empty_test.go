package footprint

import (
	"fmt"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestEmptyPackages(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		modules    []string
		want       []string
	}{
		{"documentation of a package with rules", `r := data.lib.text.f(1)`, []string{"package lib", "package lib.text\nf(x) := x"}, nil},
		{"documentation beside rules", `r := data.lib.a`, []string{"package lib", "package lib\na := 1"}, nil},
		{"documentation of the package itself", `r := 1`, []string{"package p"}, nil},
		{"a reference to it", `r := data.lib`, []string{"package lib"}, []string{"data.lib"}},
		{"a reference above it", `r := data.lib`, []string{"package lib.text"}, []string{"data.lib.text"}},
		{"a reference above one with rules", `r := data.lib`, []string{"package lib", "package lib.text\na := 1"}, nil},
		{"a reference below it", `r := data.lib.text.a`, []string{"package lib.text"}, nil},
		{"a computed name", `r := data.lib[input.a]`, []string{"package lib.text", "package lib.other\na := 1"}, []string{"data.lib.text"}},
		{"a computed name below", `r := data.lib[input.a].x`, []string{"package lib"}, []string{"data.lib"}},
		{"another package", `r := data.lib.a`, []string{"package lib\na := 1", "package other"}, nil},
		{"in a call", `r := count(data.lib)`, []string{"package lib"}, []string{"data.lib"}},
		{"twice", `r := [data.lib, data.lib]`, []string{"package lib", "package lib"}, []string{"data.lib"}},
		{"in another rule", "s := data.lib\nr := s", []string{"package lib"}, []string{"data.lib"}},
		{"in an else", "r := 1 if input.a else := data.lib", []string{"package lib"}, []string{"data.lib"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			modules := map[string]*ast.Module{"p.rego": ast.MustParseModule("package p\n" + c.rule)}
			for i, source := range c.modules {
				modules[fmt.Sprintf("%d.rego", i)] = ast.MustParseModule(source)
			}
			compiler := ast.NewCompiler()
			if compiler.Compile(modules); compiler.Failed() {
				t.Fatal(compiler.Errors)
			}
			if got := Of(compiler, ast.MustParseRef("data.p.r")).Empty; !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
