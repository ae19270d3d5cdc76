package footprint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// BenchmarkOf works out a footprint of 3,000 rules in 100 packages: each has
// reasons, a function that takes a part of the input, an alias of a part of
// it, and a table, and calls the next package.
func BenchmarkOf(b *testing.B) {
	const packages = 100
	sources := []string{"package kubernetes.authorization\nallow contains reason if some reason in data.team0.reasons"}
	for i := range packages {
		var s strings.Builder
		fmt.Fprintf(&s, "package team%d\nimport data.team%d as next\n", i, i+1)
		for j := range 10 {
			fmt.Fprintf(&s, "reasons contains $\"rule %d for {input.spec.user}\" if { ra := _attributes%d; _in_namespace(ra, %d); ra.verb in _verbs%d; next.reasons }\n", j, j, j, j)
			fmt.Fprintf(&s, "_attributes%d := input.spec.resourceAttributes\n", j)
			fmt.Fprintf(&s, "_verbs%d := {\"get\", \"list\"} if object.get(data.access.team%d, [\"mode\"], \"\") != \"off\"\n", j, i)
		}
		s.WriteString("_in_namespace(ra, n) if { ra.namespace == sprintf(\"ns-%d\", [n]); some group in input.spec.groups; startswith(group, \"team\") }\n")
		sources = append(sources, s.String())
	}
	sources = append(sources, fmt.Sprintf("package team%d\nreasons contains 1", packages))
	modules := map[string]*ast.Module{}
	for i, source := range sources {
		name := fmt.Sprintf("%d.rego", i)
		modules[name] = parse(b, name, source)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		b.Fatal(compiler.Errors)
	}
	entry := ast.MustParseRef("data.kubernetes.authorization.allow")
	if f := Of(compiler, entry); len(f.Rules) < 3000 || len(f.Widenings) > 0 {
		b.Fatalf("%d rules, widenings %v", len(f.Rules), f.Widenings)
	}
	b.Run("analysis", func(b *testing.B) {
		for b.Loop() {
			Of(compiler, entry)
		}
	})
	b.Run("fingerprint", func(b *testing.B) {
		f := Of(compiler, entry)
		for b.Loop() {
			f.Hashes()
		}
	})
}
