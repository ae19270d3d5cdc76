package builtin

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/policy"
)

// TestLibraryExamples runs the examples of docs/library.md, which are Rego
// tests, and holds the page to naming every helper.
func TestLibraryExamples(t *testing.T) {
	library := parseContent(t, Library())
	modules := maps.Clone(library)
	for _, block := range blocks(t, "../docs/library.md", "rego") {
		modules[block.name] = parseExample(t, block)
	}
	examples := len(modules) - len(library)
	compileStrictly(t, modules)
	if ran := runRegoTests(t, modules, map[string]any{}); len(ran) != examples {
		t.Errorf("%d packages ran tests, want each of the %d examples", len(ran), examples)
	}

	page, err := os.ReadFile("../docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, module := range library {
		for _, rule := range module.Rules {
			head := string(rule.Head.Ref()[0].Value.(ast.Var))
			qualified := strings.TrimSuffix(path.Base(name), ".rego") + "." + head
			if !strings.HasPrefix(head, "_") && !strings.Contains(string(page), qualified) {
				t.Errorf("docs/library.md does not name %s", qualified)
			}
		}
	}
}

// TestPolicyExamples compiles the examples of the pages about policies, each
// folder of `# file:` lines by itself, and runs their tests.
func TestPolicyExamples(t *testing.T) {
	for page, want := range map[string][]string{
		"../docs/policies.md":                     {"support", "boolean", "scheduling"},
		"../docs/identity.md":                     {"jwt", "clusters", "github"},
		"../docs/authentication-configuration.md": {"imported"},
		"../docs/connect-scheduler.md":            {"useful"},
		"../docs/scheduling/tenants.md":           {"tenants", "first"},
		"../docs/scheduling/share-gpus.md":        {"gpushare"},
		"../docs/scheduling/packing.md":           {"packing"},
		"../docs/scheduling/images.md":            {"images"},
		"../docs/scheduling/zone-cost.md":         {"zonecost"},
		"../docs/scheduling/maintenance.md":       {"maintenance"},
		"../docs/scheduling/storage.md":           {"topolvm"},
		"../docs/scheduling/devices.md":           {"gpus"},
	} {
		t.Run(path.Base(page), func(t *testing.T) {
			folders, data := examples(t, page)
			for _, folder := range want {
				if folders[folder] == nil {
					t.Errorf("no example in %s/", folder)
				}
			}
			for folder, modules := range folders {
				t.Run(folder, func(t *testing.T) {
					compileStrictly(t, modules)
					// The page says that this example goes beside the starter policies.
					if folder == "support" {
						modules = maps.Clone(modules)
						maps.Copy(modules, parseContent(t, Starter()))
						compileStrictly(t, modules)
						maps.Copy(data[folder], starterDocument(t))
					}
					if hasTests(modules, folder) {
						runRegoTests(t, modules, data[folder])
					} else if page != "../docs/policies.md" {
						t.Error("the example has no test")
					}
				})
			}
		})
	}
}

// hasTests reports whether the page has tests for the example in folder.
func hasTests(modules map[string]*ast.Module, folder string) bool {
	for name := range modules {
		if strings.HasPrefix(name, folder+"/") && strings.HasSuffix(name, "_test.rego") {
			return true
		}
	}
	return false
}

// examples are the files of a page's blocks, and the data documents, by folder.
func examples(t *testing.T, page string) (folders map[string]map[string]*ast.Module, data map[string]map[string]any) {
	t.Helper()
	folders, data = map[string]map[string]*ast.Module{}, map[string]map[string]any{}
	for _, block := range blocks(t, page, "rego") {
		name, found := block.file()
		if !found {
			t.Errorf("%s does not begin with # file:", block.name)
			continue
		}
		folder, _, _ := strings.Cut(name, "/")
		if folders[folder] == nil {
			folders[folder], data[folder] = parseContent(t, Library()), map[string]any{}
		}
		folders[folder][name] = parseExample(t, block)
	}
	for _, block := range blocks(t, page, "yaml") {
		var document map[string]any
		if err := yaml.UnmarshalStrict([]byte(block.text), &document); err != nil {
			t.Errorf("%s: %v", block.name, err)
		}
		name, found := block.file()
		if !found || path.Base(name) != "data.yaml" {
			continue
		}
		folder, rest, _ := strings.Cut(name, "/")
		data[folder][path.Dir(rest)] = document
	}
	return folders, data
}

type block struct {
	name string // the page and line of its fence
	text string
}

// file returns the path that the block's first line `# file: path` gives.
func (b block) file() (string, bool) {
	first, _, _ := strings.Cut(b.text, "\n")
	return strings.CutPrefix(first, "# file: ")
}

// blocks returns the fenced blocks of one language on a page of the docs.
func blocks(t *testing.T, page, language string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	var found []block
	for _, at := range fence.FindAllSubmatchIndex(text, -1) {
		line := 1 + strings.Count(string(text[:at[0]]), "\n")
		found = append(found, block{name: fmt.Sprintf("%s:%d", page, line), text: string(text[at[2]:at[3]])})
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %s block", page, language)
	}
	return found
}

// parseExample also holds an example to opa fmt.
func parseExample(t *testing.T, b block) *ast.Module {
	t.Helper()
	formatted, err := format.SourceWithOpts(b.name, []byte(b.text), format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatalf("formatting %s: %v", b.name, err)
	}
	if string(formatted) != b.text {
		t.Errorf("%s is not formatted, opa fmt gives:\n%s", b.name, formatted)
	}
	return parse(t, b.name, []byte(b.text))
}

func parseContent(t *testing.T, content policy.Content) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	for _, module := range content.Modules {
		modules[module.Path] = parse(t, module.Path, module.Source)
	}
	return modules
}
