package builtin

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/footprint"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestStarterFootprints holds what decisions of the starter policies depend on.
// A line more is a cache that hits less.
func TestStarterFootprints(t *testing.T) {
	modules := parseContent(t, Library())
	maps.Copy(modules, parseContent(t, Starter()))
	compiler := compiled(t, modules)
	// Those that the starter policies have.
	var entries []string
	for _, point := range policy.Points() {
		for _, rule := range point.EntryRules() {
			if len(compiler.GetRulesWithPrefix(ast.MustParseRef("data."+rule.DefaultPath()))) > 0 {
				entries = append(entries, rule.DefaultPath())
			}
		}
	}
	var b strings.Builder
	for _, entry := range entries {
		b.WriteString(entry + "\n")
		f := footprint.Of(compiler, ast.MustParseRef("data."+entry))
		for _, path := range pathsOf(f) {
			b.WriteString("  " + path + "\n")
		}
		if ttl, cached := f.Lifetime(); !cached || ttl != 0 || f.Timed || len(f.Widenings) != 0 {
			t.Errorf("%s: lifetime %v, cached %t, timed %t, widenings %v", entry, ttl, cached, f.Timed, f.Widenings)
		}
	}
	golden(t, "testdata/starter.golden", b.String())
}

// TestLibraryFootprints holds what the helpers read of the operands that they
// are called with, which are input.operand0 and so on.
func TestLibraryFootprints(t *testing.T) {
	modules := parseContent(t, Library())
	probes := "package probes\n"
	called := map[string]string{}
	for _, module := range modules {
		for _, rule := range module.Rules {
			name := rule.Ref().GroundPrefix().String()
			if strings.Contains(name, "._") || called[name] != "" {
				continue
			}
			called[name] = fmt.Sprintf("probe%d", len(called))
			call := name
			if n := len(rule.Head.Args); n > 0 {
				operands := make([]string, n)
				for i := range operands {
					operands[i] = fmt.Sprintf("input.operand%d", i)
				}
				call += "(" + strings.Join(operands, ", ") + ")"
			}
			probes += called[name] + " := " + call + "\n"
		}
	}
	modules["probes.rego"] = parse(t, "probes.rego", []byte(probes))
	compiler := compiled(t, modules)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(called)) {
		f := footprint.Of(compiler, ast.MustParseRef("data.probes."+called[name]))
		b.WriteString(strings.TrimPrefix(name, "data.") + "\n")
		for _, path := range pathsOf(f) {
			b.WriteString("  " + strings.TrimPrefix(path, "input.") + "\n")
		}
		for _, use := range f.Varying {
			t.Errorf("%s reaches %s", name, use.Builtin)
		}
		if want := name == "data.lib.time.active" || name == "data.lib.scheduling.maintenance.collides"; f.Timed != want {
			t.Errorf("%s: timed %t", name, f.Timed)
		}
	}
	golden(t, "testdata/library.golden", b.String())
}

func compiled(t *testing.T, modules map[string]*ast.Module) *ast.Compiler {
	t.Helper()
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	return compiler
}

func pathsOf(f *footprint.Footprint) []string {
	var out []string
	for _, path := range f.Input.All() {
		out = append(out, footprint.Format("input", path))
	}
	for _, path := range f.Data.All() {
		out = append(out, footprint.Format("data", path))
	}
	return out
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if it should, run go test ./rego -run Footprints -update\ngot:\n%s", file, got)
	}
}
