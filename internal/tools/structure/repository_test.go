package structure

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const (
	// root is the repository's.
	root = "../../.."
	// program is the path of its main module.
	program = "github.com/verdict-dev/verdict"
	// architecture is the page that shows the structure, from the root.
	architecture = "docs/architecture.md"
)

// maxBackwards are how many references between the files of a package may run back
// up. Files refer to files below them: those that refer to each other can only be read
// together. A number here only ever becomes smaller.
var maxBackwards = map[string]int{
	"policy":                   0,
	"policy/cache":             0,
	"policy/document":          0,
	"policy/evaluator":         0,
	"policy/evaluator/plan":    0,
	"policy/evaluator/rewrite": 0,
	"policy/evaluator/sandbox": 0,
	"policy/footprint":         17,
	"policy/identity":          0,
	"policy/nodes":             0,
	"policy/scheduling":        0,
}

func TestFilesAreLayered(t *testing.T) {
	loaded, err := Load(root, false, "./policy/...")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range loaded {
		name := strings.TrimPrefix(p.PkgPath, program+"/")
		limit, limited := maxBackwards[name]
		if !limited {
			continue
		}
		found[name] = true
		references := References(p)
		order, backwards := Layers(references)
		t.Logf("%s: %d files, %d references, %d run back up", name, len(order), len(references), len(backwards))
		switch {
		case len(backwards) > limit:
			t.Errorf("%s: %d references run back up, and %d may:\n%v\nin the order %v", name, len(backwards), limit, backwards, order)
		case len(backwards) < limit:
			t.Errorf("%s: %d references run back up: make that the limit, which is %d", name, len(backwards), limit)
		}
	}
	for name := range maxBackwards {
		if !found[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}

// What is exported is used: the rest is a promise that no other package needs.
func TestExportsAreUsed(t *testing.T) {
	var loaded []*packages.Package
	for _, folder := range []string{".", "e2e", "loadtest"} {
		more, err := Load(filepath.Join(root, folder), true, "./...")
		if err != nil {
			t.Fatal(err)
		}
		loaded = append(loaded, more...)
	}
	templates := templateText(t)
	for _, unused := range Unused(loaded) {
		if _, name, _ := strings.Cut(unused, ": "); strings.Contains(templates, "."+name) {
			continue
		}
		t.Errorf("exported, and used by no other package: %s", unused)
	}
}

// templateText is the text of all templates: they use methods by name.
func templateText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, path := range files(t, "*.tmpl") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestFilesAreShort(t *testing.T) {
	const most, mostOfTests = 450, 600
	for _, path := range files(t, "*.go") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		limit := most
		if strings.HasSuffix(path, "_test.go") {
			limit = mostOfTests
		}
		if lines := bytes.Count(text, []byte("\n")); lines > limit {
			t.Errorf("%s has %d lines, and %d are the limit: split it by subject", path, lines, limit)
		}
	}
}

// files are those of the repository that pattern matches, from its root.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", pattern)
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list the files of the repository: %v", err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err != nil // deleted, and that is not committed yet
	})
}

// The page on the architecture names files that exist, and shows the imports that
// there are.
func TestArchitecturePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, architecture))
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile("`((?:cmd|handlers|internal|policy|rego|docs|loadtest|e2e)/[^` ]*)`").FindAllSubmatch(page, -1)
	if len(paths) < 40 {
		t.Errorf("%s names %d files, and has to name those of each step", architecture, len(paths))
	}
	for _, path := range paths {
		if _, err := os.Stat(filepath.Join(root, string(path[1]))); err != nil {
			t.Errorf("%s: %v", architecture, err)
		}
	}
	want := imports(t)
	if _, after, ok := strings.Cut(string(page), "| package | imports |\n|---|---|\n"); !ok || !strings.HasPrefix(after, want) {
		t.Errorf("%s: the table of imports has to be:\n%s", architecture, want)
	}
}

// imports is the table of what the packages of the program import of each other.
func imports(t *testing.T) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list the imports of the repository: %v", err)
	}
	var table strings.Builder
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		var own []string
		for _, path := range fields[1:] {
			if name, ok := strings.CutPrefix(path, program+"/"); ok {
				own = append(own, "`"+name+"`")
			}
		}
		if len(own) > 0 {
			fmt.Fprintf(&table, "| `%s` | %s |\n", strings.TrimPrefix(fields[0], program+"/"), strings.Join(own, ", "))
		}
	}
	return table.String()
}
