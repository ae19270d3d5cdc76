package builtin

import (
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/policy"
)

func TestLibraryHoldsModulesAlone(t *testing.T) {
	content := Library()
	if len(content.Documents) != 0 {
		t.Errorf("library has %d documents, want none", len(content.Documents))
	}
	for _, name := range []string{"verbs", "resources", "paths", "labels", "nodeselectors", "taints", "quantities", "integers", "images", "time", "scheduling/gpushare", "scheduling/maintenance"} {
		if !slices.ContainsFunc(content.Modules, func(m policy.Module) bool { return m.Path == "rego/lib/"+name+".rego" }) {
			t.Errorf("library lacks rego/lib/%s.rego", name)
		}
	}
	checkNoTests(t, content)
}

func TestStarterHoldsPoliciesAndData(t *testing.T) {
	content := Starter()
	var paths []string
	for _, module := range content.Modules {
		paths = append(paths, module.Path)
	}
	want := []string{"rego/starter/authentication.rego", "rego/starter/authorization.rego", "rego/starter/scheduling.rego"}
	if !slices.Equal(paths, want) {
		t.Errorf("starter modules = %v, want %v", paths, want)
	}
	checkNoTests(t, content)

	if len(content.Documents) != 1 {
		t.Fatalf("starter has %d documents, want 1", len(content.Documents))
	}
	document := content.Documents[0]
	if document.Path != "rego/starter/data.yaml" || len(document.Prefix) != 0 {
		t.Errorf("document at %s below %v, want rego/starter/data.yaml at the root", document.Path, document.Prefix)
	}
	var data map[string]any
	if err := yaml.UnmarshalStrict(document.Content, &data); err != nil {
		t.Fatalf("reading %s: %v", document.Path, err)
	}
	for _, reserved := range []string{"kubernetes", "lib", "cluster", "revoked"} {
		if _, found := data[reserved]; found {
			t.Errorf("%s takes the reserved root %q", document.Path, reserved)
		}
	}
}

func TestContentsBelongToTheCaller(t *testing.T) {
	first := Library()
	first.Modules[0].Source[0] = 'X'
	if second := Library(); second.Modules[0].Source[0] == 'X' {
		t.Error("changing one Library changed the next")
	}
}

func TestPrefixIsTheFolderBelowTheRoot(t *testing.T) {
	for dir, want := range map[string][]string{
		"starter":            nil,
		"starter/teams":      {"teams"},
		"starter/teams/eu-1": {"teams", "eu-1"},
	} {
		if got := prefix("starter", dir); !slices.Equal(got, want) {
			t.Errorf("prefix of %s = %v, want %v", dir, got, want)
		}
	}
}

func checkNoTests(t *testing.T, content policy.Content) {
	t.Helper()
	for _, module := range content.Modules {
		if strings.HasSuffix(path.Base(module.Path), "_test.rego") {
			t.Errorf("test %s ships", module.Path)
		}
		if len(module.Source) == 0 {
			t.Errorf("%s is empty", module.Path)
		}
	}
}
