package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy"
)

func TestInspectStarterPolicies(t *testing.T) {
	stdout, stderr, code := runVerdict(t, "inspect")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{
		"kubernetes.scheduling.reject\n  reads  input.node.metadata.labels[\"verdict.dev/cordoned\"]\n  cached while the fields that it reads stay the same\n",
		"         data.access.roles\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("output lacks %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "never") || strings.Contains(stdout, "wide") {
		t.Errorf("a starter policy reads much or is not kept:\n%s", stdout)
	}
}

// TestInspectAsDocumented holds the example of docs/caching.md to what is printed.
func TestInspectAsDocumented(t *testing.T) {
	stdout, stderr, code := runVerdict(t, "inspect")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	_, example, found := strings.Cut(readString(t, "../../docs/caching.md"), "```text\n")
	example, _, ended := strings.Cut(example, "```")
	if !found || !ended || !strings.Contains(stdout, example) {
		t.Errorf("the example is not what is printed:\n%s\nprinted:\n%s", example, stdout)
	}
}

// inspected is a folder with a policy that is hard on caches.
func inspected(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "authorization.rego"), `package kubernetes.authorization

allow contains "open" if http.send({"method": "get", "url": input.spec.url}).status_code == 200

deny contains "closed" if not data.lib.time.active("2026-01-01T00:00:00Z", input.spec.until)
`)
	write(t, filepath.Join(dir, "scheduling.rego"), `# METADATA
# custom: {cache: {ttl: 1m30s}}
package kubernetes.scheduling

reject contains "odd" if {
	time.now_ns() > 0
	count(input.node) > 3
}
`)
	return dir
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInspectSaysWhatIsInTheWay(t *testing.T) {
	dir := inspected(t)
	stdout, stderr, code := runVerdict(t, "inspect", "--policy", dir)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{
		"kubernetes.authentication.user\n  no policy has this rule\n",
		"cached never\n         because of http.send: " + dir + "/authorization.rego:3; its package does not say for how long\n",
		"custom: {cache: {ttl: 30s}}",
		"cached while the fields that it reads stay the same\n         until data.lib.time.active changes at the latest\n",
		"cached for 1m30s\n         because of time.now_ns: " + dir + "/scheduling.rego:6; its package says 1m30s\n",
		"wide   input.node, all of it: " + dir + "/scheduling.rego:7\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("output lacks %q:\n%s", want, stdout)
		}
	}
}

func TestInspectJSON(t *testing.T) {
	dir := inspected(t)
	configuration := filepath.Join(t.TempDir(), "verdict.yaml")
	write(t, configuration, "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\npolicy:\n  directories: ["+dir+"]\n")
	stdout, stderr, code := runVerdict(t, "inspect", "--config", configuration, "-o", "json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var got struct {
		Revision string          `json:"policyRevision"`
		Rules    []inspectedRule `json:"rules"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	rules := map[string]inspectedRule{}
	for _, rule := range got.Rules {
		rules[rule.Rule] = rule
	}
	want := 0
	for _, point := range policy.Points() {
		want += len(point.EntryRules())
	}
	if len(rules) != want || got.Revision == "" {
		t.Errorf("revision %q, %d rules, want %d", got.Revision, len(rules), want)
	}
	if rule := rules["kubernetes.authorization.allow"]; rule.Kept || len(rule.Varying) != 1 || rule.Varying[0].Builtin != "http.send" {
		t.Errorf("allow: %+v", rule)
	}
	if rule := rules["kubernetes.authorization.deny"]; !rule.Kept || !rule.Timed || rule.TTLSeconds != 0 {
		t.Errorf("deny: %+v", rule)
	}
	if rule := rules["kubernetes.scheduling.reject"]; !rule.Kept || rule.TTLSeconds != 90 || len(rule.Widenings) != 1 {
		t.Errorf("reject: %+v", rule)
	}
}

func TestInspectMistakes(t *testing.T) {
	broken := t.TempDir()
	write(t, filepath.Join(broken, "a.rego"), "package kubernetes.authorization\n\nallow contains x if input.spec\n")
	for _, test := range []struct {
		name string
		args []string
		want string
		code int
	}{
		{"form", []string{"-o", "yaml"}, "--output: must be text or json", exitUsage},
		{"argument", []string{"all"}, `unknown command "all"`, exitUsage},
		{"no such folder", []string{"--policy", broken + "/none"}, "--policy: ", exitUsage},
		{"no such file", []string{"--config", broken + "/none"}, "none", exitUsage},
		{"broken policy", []string{"--policy", broken}, "a.rego:3", exitFailure},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, code := runVerdict(t, append([]string{"inspect"}, test.args...)...)
			if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" {
				t.Errorf("exit code %d, want %d with %q:\n%s%s", code, test.code, test.want, stdout, stderr)
			}
		})
	}
}
