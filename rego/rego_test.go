package builtin

import (
	"bytes"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// TestRego runs every *_test.rego with OPA's own test runner, builtin errors
// raised: an error that OPA would hide as undefined is one for the engine.
func TestRego(t *testing.T) {
	modules := parseAll(t)
	passed := runRegoTests(t, modules, starterDocument(t))
	for name := range modules {
		if strings.HasSuffix(name, "_test.rego") {
			continue
		}
		beside := strings.TrimSuffix(name, ".rego") + "_test.rego"
		tests, found := modules[beside]
		if !found {
			t.Errorf("%s has no test beside it", name)
			continue
		}
		if passed[tests.Package.Path.String()] == 0 {
			t.Errorf("%s ran no test", beside)
		}
	}
}

func TestRegoCompilesStrictly(t *testing.T) {
	compileStrictly(t, parseAll(t))
}

func TestRegoIsFormatted(t *testing.T) {
	for name, source := range sources(t) {
		formatted, err := format.SourceWithOpts(name, source, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Errorf("formatting %s: %v", name, err)
			continue
		}
		if !bytes.Equal(formatted, source) {
			t.Errorf("%s is not formatted: run opa fmt -w rego", name)
		}
	}
}

// TestMetadata holds every package, every helper and every entry rule to a
// title and a description. Rules whose name begins with _ are a package's own.
func TestMetadata(t *testing.T) {
	modules := parseAll(t)
	maps.DeleteFunc(modules, func(name string, _ *ast.Module) bool { return strings.HasSuffix(name, "_test.rego") })
	annotations, errs := ast.BuildAnnotationSet(slices.Collect(maps.Values(modules)))
	if len(errs) != 0 {
		t.Fatal(errs)
	}
	for name, module := range modules {
		if !described(annotations.GetPackageScope(module.Package)) {
			t.Errorf("package of %s lacks title or description", name)
		}
		public := map[string]bool{}
		for _, rule := range module.Rules {
			head := string(rule.Head.Ref()[0].Value.(ast.Var))
			if strings.HasPrefix(head, "_") {
				continue
			}
			described := slices.ContainsFunc(append(annotations.GetRuleScope(rule), annotations.GetDocumentScope(rule.Ref().GroundPrefix())), described)
			public[head] = public[head] || described
		}
		if len(public) == 0 {
			t.Errorf("%s has no rule for others", name)
		}
		for rule, described := range public {
			if !described {
				t.Errorf("%s: rule %s lacks title or description", name, rule)
			}
		}
	}
}

func described(a *ast.Annotations) bool {
	return a != nil && a.Title != "" && a.Description != ""
}

// sources returns every embedded Rego file, tests included, by its path.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".rego" {
			return err
		}
		found[name], err = files.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no Rego is embedded")
	}
	return found
}

func parseAll(t *testing.T) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	for name, source := range sources(t) {
		modules[name] = parse(t, name, source)
	}
	return modules
}

func parse(t *testing.T, name string, source []byte) *ast.Module {
	t.Helper()
	module, err := ast.ParseModuleWithOpts(name, string(source), ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
	if err != nil {
		t.Fatalf("parsing %s: %v", name, err)
	}
	return module
}

func compileStrictly(t *testing.T, modules map[string]*ast.Module) {
	t.Helper()
	compiler := ast.NewCompiler().WithStrict(true)
	if compiler.Compile(modules); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
}

// runRegoTests reports each failed test and returns how many passed in each package.
func runRegoTests(t *testing.T, modules map[string]*ast.Module, data map[string]any) map[string]int {
	t.Helper()
	store := inmem.NewFromObject(data)
	txn := storage.NewTransactionOrDie(t.Context(), store)
	defer store.Abort(t.Context(), txn)
	results, err := tester.NewRunner().
		SetStore(store).
		SetModules(modules).
		RaiseBuiltinErrors(true).
		RunTests(t.Context(), txn)
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]int{}
	for result := range results {
		switch {
		case result.Error != nil:
			t.Errorf("%v: %s: %v", result.Location, result.Name, result.Error)
		case result.Skip:
			t.Errorf("%v: %s is skipped", result.Location, result.Name)
		case result.Fail:
			t.Errorf("%v: %s failed at %v", result.Location, result.Name, result.FailedAt)
		default:
			passed[result.Package]++
		}
	}
	if len(passed) == 0 {
		t.Fatal("no Rego test ran")
	}
	return passed
}
