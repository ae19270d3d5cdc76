package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigCheckCompilesPolicies holds config check to what serve would say of the
// policies, and to telling of sources whose tokens no rule can give a username.
func TestConfigCheckCompilesPolicies(t *testing.T) {
	const header = "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\n"
	const sources = `authentication:
  sources:
    - name: corp
      jwt: {issuers: ["https://login.example.com"], audiences: [kubernetes]}
`
	for _, test := range []struct {
		name, config, policy string
		code                 int
		stderr               []string
		silent               bool
	}{
		{name: "the starter policies", config: header, silent: true},
		{
			name: "a policy that does not compile", config: header + "policy: {directories: [policy]}\n",
			policy: "package kubernetes.authorization\n\nallow contains \"a\" if nothing.here\n",
			code:   exitUsage, stderr: []string{"policy.rego:3:", "nothing"},
		},
		{
			name: "a policy of the wrong shape", config: header + "policy: {directories: [policy]}\n",
			policy: "package kubernetes.authorization\n\nallow[\"a\"] := 1\n",
			code:   exitUsage, stderr: []string{"policy.rego:3:1: allow"},
		},
		{
			name: "a slip", config: header + "policy: {directories: [policy]}\n",
			policy: "package kubernetes.authorization\n\nalow contains \"a\"\n", stderr: []string{"warning: ", "did you mean allow?"},
		},
		{
			name: "a source of which the starter policies say nothing", config: header + sources,
			stderr: []string{"warning: authentication.sources[0]: no rule of kubernetes.authentication.user can give a username to an identity from the source corp (jwt)"},
		},
		{
			name: "no rule of users", config: header + sources + "policy: {directories: [policy]}\n",
			policy: "package kubernetes.authorization\n\nallow contains \"a\"\n", stderr: []string{"no rule gives a username, so every token of the source corp is refused"},
		},
		{
			name: "a rule for the source", config: header + sources + "policy: {directories: [policy]}\n",
			policy: "package kubernetes.authentication\n\nuser.username := input.identity.subject if input.identity.source == \"corp\"\n", silent: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "verdict.yaml")
			write(t, file, test.config)
			if test.policy != "" {
				if err := os.Mkdir(filepath.Join(dir, "policy"), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, "policy", "policy.rego"), test.policy)
			}
			_, stderr, code := runVerdict(t, "config", "check", file)
			if code != test.code {
				t.Errorf("exit code %d, want %d\n%s", code, test.code, stderr)
			}
			for _, want := range test.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("got  %s\nwant it to contain %q", stderr, want)
				}
			}
			if test.silent && stderr != "" {
				t.Errorf("got %s, want nothing", stderr)
			}
		})
	}
}
