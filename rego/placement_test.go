package builtin

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy"
)

// TestEngineTakesThePlacementExamples holds the policies of docs/scheduling to
// the engine's own checks, of the shapes of entry rules above all.
func TestEngineTakesThePlacementExamples(t *testing.T) {
	pages, err := filepath.Glob("../docs/scheduling/*.md")
	if err != nil {
		t.Fatal(err)
	}
	profile := regexp.MustCompile(`(?m)^package kubernetes\.scheduler\.(\w+)$`)
	examples := 0
	for _, page := range pages {
		if path.Base(page) == "README.md" {
			continue
		}
		contents, profiles := map[string]policy.Content{}, map[string][]string{}
		for _, block := range slices.Concat(blocks(t, page, "rego"), blocks(t, page, "yaml")) {
			name, found := block.file()
			if !found || strings.HasSuffix(name, "_test.rego") {
				continue
			}
			folder, rest, _ := strings.Cut(name, "/")
			content := contents[folder]
			switch {
			case path.Ext(name) == ".rego":
				content.Modules = append(content.Modules, policy.Module{Path: name, Source: []byte(block.text)})
				if match := profile.FindStringSubmatch(block.text); match != nil {
					profiles[folder] = append(profiles[folder], match[1])
				}
			case path.Base(name) == "data.yaml":
				content.Documents = append(content.Documents, policy.Document{Path: name, Prefix: prefix("", path.Dir(rest)), Content: []byte(block.text)})
			}
			contents[folder] = content
		}
		for folder, content := range contents {
			examples++
			t.Run(folder, func(t *testing.T) {
				entries := policy.Entries{Profiles: profiles[folder]}
				revision, err := policy.Compile(t.Context(), content, policy.Options{Library: Library(), Entries: entries})
				if err != nil {
					t.Fatal(err)
				}
				if warnings := revision.Warnings(); len(warnings) != 0 {
					t.Errorf("warnings: %v", warnings)
				}
			})
		}
	}
	if want := 9; examples < want {
		t.Errorf("%d examples were found, want at least %d", examples, want)
	}
}
