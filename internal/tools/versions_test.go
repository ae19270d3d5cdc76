package tools

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestOPAVersion keeps the opa command that checks the policies at the version
// of the library that runs them.
func TestOPAVersion(t *testing.T) {
	const opa = "github.com/open-policy-agent/opa"
	command := required(t, "opa/go.mod", opa)
	library := required(t, "../../go.mod", opa)
	if command != library {
		t.Errorf("internal/tools/opa/go.mod has OPA %s and go.mod has %s; run go -C internal/tools/opa get %s@%s",
			command, library, opa, library)
	}
}

// required returns the version of the named module that a go.mod requires.
func required(t *testing.T, file, path string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse(file, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(mod.Require, func(r *modfile.Require) bool { return r.Mod.Path == path })
	if i < 0 {
		t.Fatalf("%s does not require %s", file, path)
	}
	return mod.Require[i].Mod.Version
}
