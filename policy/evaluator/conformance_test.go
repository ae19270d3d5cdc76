package evaluator

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// suite is OPA's conformance suite, which lies in the module itself.
func suite(t *testing.T, version string) []cases.TestCase {
	t.Helper()
	dir := filepath.Join(moduleDir(t, "github.com/open-policy-agent/opa"), "v1", "test", "cases", "testdata", version)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return cases.MustLoad(dir).Sorted().Cases
}

// maxFallback is the share of cases, in percent, that may be left to the interpreter.
const maxFallback = 1

// TestConformance runs OPA's own cases on both evaluators.
func TestConformance(t *testing.T) {
	for version, rego := range map[string]ast.RegoVersion{"v0": ast.RegoV0, "v1": ast.RegoV1} {
		t.Run(version, func(t *testing.T) {
			var ran, erred, skipped, rerun int
			refused := map[string]int{}
			for _, c := range suite(t, version) {
				t.Run(c.Note, func(t *testing.T) {
					outcome := runCase(t, c, rego)
					switch {
					case outcome.skipped != "":
						skipped++
						return
					case outcome.refused != nil:
						refused[outcome.refused.Error()]++
					}
					ran++
					if outcome.interpreted != nil {
						erred++
					}
					if outcome.rerun {
						rerun++
					}
				})
			}
			n := 0
			for _, reason := range slices.Sorted(maps.Keys(refused)) {
				n += refused[reason]
				t.Logf("left to the interpreter %d×: %s", refused[reason], reason)
			}
			t.Logf("%d cases ran, %d ended in an error of the interpreter, %d were left to it, %d more were run again by it, %d are no single rule", ran, erred, n, rerun, skipped)
			if n*100 > ran*maxFallback {
				t.Errorf("%d of %d cases were left to the interpreter, want at most %d%%", n, ran, maxFallback)
			}
		})
	}
}

type outcome struct {
	skipped     string
	refused     error // by NewCompiled
	interpreted error // of the interpreter
	rerun       bool  // for an error that the interpreter does not have
}

// entry is the rule that stands for a query in these tests.
const entryModule = "package conformance_entry\n\n"

func runCase(t *testing.T, c cases.TestCase, rego ast.RegoVersion) outcome {
	t.Helper()
	for k, v := range c.Env {
		t.Setenv(k, v)
	}
	options := ast.ParserOptions{RegoVersion: rego}
	if c.ExperimentalKeywords {
		options.Capabilities = ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(true))
	}
	modules := map[string]*ast.Module{}
	for i, source := range c.Modules {
		name := fmt.Sprintf("test-%d.rego", i)
		module, err := ast.ParseModuleWithOpts(name, source, options)
		if err != nil {
			t.Fatal(err)
		}
		modules[name] = module
	}
	entry, err := entryRule(c.Query)
	if err != nil {
		return outcome{skipped: err.Error()}
	}
	modules["entry.rego"] = entry
	compiler := ast.NewCompiler()
	if options.Capabilities != nil {
		compiler = compiler.WithCapabilities(options.Capabilities)
	}
	if compiler.Compile(modules); compiler.Failed() {
		// Some queries are no rule bodies.
		return outcome{skipped: compiler.Errors.Error()}
	}
	data := ast.NewObject()
	if c.Data != nil {
		data = ast.MustInterfaceToValue(*c.Data).(ast.Object)
	}
	var input ast.Value = ast.NewObject()
	if c.InputTerm != nil {
		input = ast.MustParseTerm(*c.InputTerm).Value
	} else if c.Input != nil {
		input = ast.MustInterfaceToValue(*c.Input)
	}
	return runBoth(t, compiler, data, ast.MustParseRef("data.conformance_entry.bindings"), input)
}

// runBoth fails the test when the evaluators differ.
func runBoth(t *testing.T, compiler *ast.Compiler, data ast.Object, ref ast.Ref, input ast.Value) outcome {
	t.Helper()
	values := cache.NewInterQueryValueCache(t.Context(), nil)
	prepared, err := NewInterpreter(compiler, ref, values, false)
	if err != nil {
		return outcome{skipped: err.Error()}
	}
	interpreter := interpreted{prepared, data}
	want, wantErr := interpreter.Evaluate(t.Context(), input)
	planned, err := NewCompiled(t.Context(), compiler, ref, values, nil)
	if err != nil {
		return outcome{refused: err, interpreted: wantErr}
	}
	compiled := compiled{planned, data}
	// What the program says by itself, before an error sends it to the interpreter.
	got, gotErr := compiled.run(t.Context(), input)
	out := outcome{interpreted: wantErr, rerun: gotErr != nil && wantErr == nil}
	if gotErr == nil && wantErr != nil {
		t.Errorf("got %v, want the interpreter's error %v", got, wantErr)
		return out
	}
	if out.rerun {
		t.Logf("run again: %v", gotErr)
	}
	if gotErr == nil && !equalValues(got, want) {
		t.Errorf("got %v, want %v", got, want)
		return out
	}
	got, gotErr = compiled.Evaluate(t.Context(), input)
	if wantErr == nil && gotErr == nil && !equalValues(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if errorCode(gotErr) != errorCode(wantErr) {
		t.Errorf("got error %v, want %v", gotErr, wantErr)
	}
	return out
}

func equalValues(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Compare(b) == 0
}

func errorCode(err error) string {
	if te, ok := errors.AsType[*topdown.Error](err); ok {
		return te.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// entryRule makes a rule of a query: the set of its bindings.
func entryRule(query string) (*ast.Module, error) {
	body, err := ast.ParseBody(query)
	if err != nil {
		return nil, err
	}
	vis := ast.NewVarVisitor().WithParams(ast.VarVisitorParams{SkipRefCallHead: true, SkipClosures: true})
	vis.Walk(body)
	vars := vis.Vars()
	object := ast.NewObject()
	for v := range vars.Diff(ast.ReservedVars) {
		if v.IsWildcard() || v.IsGenerated() || strings.HasPrefix(string(v), "__") {
			continue
		}
		object.Insert(ast.StringTerm(string(v)), ast.NewTerm(v))
	}
	module, err := ast.ParseModuleWithOpts("entry.rego", entryModule, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	head := &ast.Head{Name: "bindings", Reference: ast.Ref{ast.VarTerm("bindings")}, Key: ast.NewTerm(object), Location: ast.NewLocation(nil, "entry.rego", 3, 1)}
	rule := &ast.Rule{Head: head, Body: body, Module: module, Location: head.Location}
	module.Rules = append(module.Rules, rule)
	return module, nil
}

// moduleDir is where the go command keeps a module.
func moduleDir(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
