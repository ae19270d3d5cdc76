package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/internal/config"
)

// TestIdentityExamples holds the examples of input.identity on the pages about
// identities to what `verdict inspect` prints.
func TestIdentityExamples(t *testing.T) {
	stdout, stderr, code := runVerdict(t, "inspect", "--output", "json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var printed struct {
		Identities map[string]any `json:"identityExamples"`
	}
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, page := range []string{"identity.md", "tokens.md"} {
		fence := regexp.MustCompile("(?ms)^```json (\\w+)\n(.*?)^```$")
		for _, block := range fence.FindAllStringSubmatch(readString(t, "../../docs/"+page), -1) {
			shown[block[1]] = true
			var got any
			if err := json.Unmarshal([]byte(block[2]), &got); err != nil {
				t.Errorf("%s: %s: %v", page, block[1], err)
				continue
			}
			if want := printed.Identities[block[1]]; !equalJSON(t, got, want) {
				t.Errorf("%s: the example of %s is not what inspect prints: %v", page, block[1], want)
			}
		}
	}
	for kind := range printed.Identities {
		if !shown[kind] {
			t.Errorf("no page shows an example of %s", kind)
		}
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	left, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	right, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(left) == string(right)
}

// TestDocumentedConfigurations reads the configurations on the pages about
// identities and placement as a file that says no more would be read.
func TestDocumentedConfigurations(t *testing.T) {
	found := 0
	for _, page := range []string{"identity.md", "scheduling/share-gpus.md", "scheduling/storage.md", "scheduling/devices.md"} {
		fence := regexp.MustCompile("(?ms)^```yaml\n# file: (\\S+/verdict.yaml)\n(.*?)^```$")
		for _, block := range fence.FindAllStringSubmatch(readString(t, "../../docs/"+page), -1) {
			found++
			t.Run(block[1], func(t *testing.T) {
				dir := t.TempDir()
				for _, name := range []string{"cluster-a.jwks.json", "client-secret", "revoked.yaml"} {
					write(t, filepath.Join(dir, name), "x")
				}
				text := "apiVersion: " + config.APIVersion + "\nkind: " + config.Kind + "\n" + block[2]
				if strings.Contains(text, "file:") {
					t.Fatal("a block holds two files")
				}
				file := filepath.Join(dir, "verdict.yaml")
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := config.Load(file); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if found < 9 {
		t.Errorf("%d configurations were found", found)
	}
}
