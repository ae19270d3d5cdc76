package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/verdict-dev/verdict"

// TestImportDirections lints a small module of the same path and layout, with
// one file per import, under the repository's own configuration: the rules
// must refuse exactly the imports that the design forbids.
func TestImportDirections(t *testing.T) {
	const (
		clientGo = "k8s.io/client-go/kubernetes"
		opa      = "github.com/open-policy-agent/opa/v1/rego"
		celGo    = "github.com/google/cel-go/cel"
		topdown  = "github.com/open-policy-agent/opa/v1/topdown"
	)
	tests := []struct {
		folder  string
		file    string
		imports string
		refused bool
	}{
		{"policy", "a.go", opa, false},
		{"policy", "a.go", "net/http", true},
		{"policy", "a.go", clientGo, true},
		{"policy", "a.go", module + "/cmd/verdict", true},
		{"policy", "a.go", module + "/handlers", true},
		{"policy", "a.go", module + "/internal/config", true},
		{"policy", "a.go", module + "/rego", true},
		{"policy/scheduling", "a.go", "net/http/httptest", true},
		{"policy/scheduling", "a.go", module + "/policy", false},
		{"policy/scheduling", "a.go", module + "/internal/cluster", true},
		{"policy", "a_test.go", "net/http", false},
		{"policy", "a_test.go", module + "/rego", false},
		{"policy", "a_test.go", module + "/handlers", true},
		{"policy", "a_test.go", module + "/internal/config", true},

		{"handlers", "a.go", "net/http", false},
		{"handlers", "a.go", module + "/policy", false},
		{"handlers", "a.go", opa, true},
		{"handlers", "a.go", topdown, true},
		{"handlers", "a.go", clientGo, true},
		{"handlers", "a.go", module + "/rego", true},
		{"handlers", "a.go", module + "/internal/identity", true},
		{"handlers", "a.go", module + "/cmd/verdict", true},
		{"handlers", "a_test.go", module + "/internal/config", false},
		{"handlers", "a_test.go", clientGo, false},
		{"handlers", "a_test.go", module + "/cmd/verdict", true},

		{"internal/cluster", "a.go", clientGo, false},
		{"internal/cluster", "a.go", module + "/policy", false},
		{"internal/cluster", "a.go", module + "/handlers", true},
		{"internal/cluster", "a.go", module + "/cmd/verdict", true},
		{"internal/cluster", "a_test.go", module + "/handlers", true},
		{"internal/identity", "a.go", "math/rand", true},
		{"internal/identity", "a.go", celGo, true},
		{"internal/identity", "a_test.go", celGo, true},
		{"internal/config", "a.go", module + "/internal/importer", true},
		{"internal/importer/celrego", "a.go", celGo, false},
		{"internal/importer", "a.go", module + "/internal/importer/celrego", false},
		{"policy", "a.go", celGo, true},
		{"cmd/verdict", "a.go", celGo, true},
		{"cmd/verdict", "a.go", module + "/internal/importer", false},
		{"internal/identity", "a.go", "math/rand/v2", false},

		{"rego", "a.go", module + "/policy", false},
		{"rego", "a.go", "net/http", true},
		{"rego", "a.go", clientGo, true},
		{"rego", "a.go", module + "/handlers", true},
		{"rego", "a.go", module + "/internal/config", true},
		{"rego", "a_test.go", opa, false},
		{"rego", "a_test.go", module + "/internal/config", true},

		{"cmd/verdict", "a.go", module + "/policy", false},
		{"cmd/verdict", "a.go", module + "/handlers", false},
		{"cmd/verdict", "a.go", module + "/internal/config", false},
		{"cmd/verdict", "a.go", "io/ioutil", true},
	}

	files := map[string]string{
		"go.mod": "module " + module + `

go 1.26.0

require (
	github.com/google/cel-go v0.1.0
	github.com/open-policy-agent/opa v1.0.0
	k8s.io/client-go v0.1.0
)

replace (
	github.com/google/cel-go => ./stand-in/cel-go
	github.com/open-policy-agent/opa => ./stand-in/opa
	k8s.io/client-go => ./stand-in/client-go
)
`,
		"stand-in/opa/go.mod":                         "module github.com/open-policy-agent/opa\n",
		"stand-in/opa/v1/rego/rego.go":                "package rego\n",
		"stand-in/opa/v1/topdown/topdown.go":          "package topdown\n",
		"stand-in/cel-go/go.mod":                      "module github.com/google/cel-go\n",
		"stand-in/cel-go/cel/cel.go":                  "package cel\n",
		"internal/importer/doc.go":                    "package importer\n",
		"internal/importer/celrego/doc.go":            "package celrego\n",
		"stand-in/client-go/go.mod":                   "module k8s.io/client-go\n",
		"stand-in/client-go/kubernetes/kubernetes.go": "package kubernetes\n",
		"cmd/verdict/doc.go":                          "package verdict\n",
		"handlers/doc.go":                             "package handlers\n",
		"internal/cluster/doc.go":                     "package cluster\n",
		"internal/config/doc.go":                      "package config\n",
		"internal/identity/doc.go":                    "package identity\n",
		"policy/doc.go":                               "package policy\n",
		"rego/doc.go":                                 "package builtin\n",
	}
	// Each import has a package of its own, so that none makes a cycle.
	path := func(i int) string {
		return fmt.Sprintf("%s/case%d/%s", tests[i].folder, i, tests[i].file)
	}
	for i, tt := range tests {
		files[path(i)] = fmt.Sprintf("package case%d\n\nimport _ %q\n", i, tt.imports)
	}

	refused := lint(t, files)
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s/%s imports %s", tt.folder, tt.file, tt.imports), func(t *testing.T) {
			if got := refused[path(i)]; len(got) > 0 != tt.refused {
				t.Errorf("refused = %v %q, want %v", len(got) > 0, got, tt.refused)
			}
			delete(refused, path(i))
		})
	}
	if len(refused) > 0 {
		t.Errorf("findings in files that have none of the imports under test: %q",
			slices.Sorted(maps.Keys(refused)))
	}
}

// lint writes the files to a folder, lints it as make lint does, and returns
// depguard's findings by file, relative to that folder. Code that does not load
// fails the test, since it is not checked.
func lint(t *testing.T, files map[string]string) map[string][]string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	configuration, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	// The linter compares resolved paths.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files[".golangci.yml"] = string(configuration)
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "golangci-lint"),
		// depguard has to be among the enabled linters, and is a fast one; a
		// finding of another on the same line must not hide its own.
		"run", "--fast-only", "--uniq-by-line=false", "--issues-exit-code", "0",
		"--output.json.path", "stdout", "--output.text.path", "stderr", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOPROXY=off",
		// Findings of an earlier run must not stand in for this one's.
		"GOLANGCI_LINT_CACHE="+t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v: build it with make tools", err)
	}
	if err != nil {
		t.Fatalf("golangci-lint: %v\n%s", err, &stderr)
	}
	var report struct {
		Issues []struct {
			FromLinter string
			Text       string
			Pos        struct{ Filename string }
		}
	}
	if err := json.NewDecoder(bytes.NewReader(stdout)).Decode(&report); err != nil {
		t.Fatalf("golangci-lint's report: %v\n%s\n%s", err, stdout, &stderr)
	}
	findings := map[string][]string{}
	for _, issue := range report.Issues {
		switch issue.FromLinter {
		case "depguard":
		case "typecheck":
			t.Fatalf("%s: %s", issue.Pos.Filename, issue.Text)
		default:
			continue // The stand-in packages have no comments, for one.
		}
		name := filepath.ToSlash(strings.TrimPrefix(issue.Pos.Filename, dir+string(filepath.Separator)))
		findings[name] = append(findings[name], issue.Text)
	}
	return findings
}
