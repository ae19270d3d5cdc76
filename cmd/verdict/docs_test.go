package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented says how each command in the documentation is run by a test. A
// command that is not here fails the test below, as does one that is here and
// in no page.
var documented = map[string]string{
	"go run ./cmd/verdict serve":                                            "serve",
	"go run ./cmd/verdict serve --policy my-policies":                       "serve",
	"go run ./cmd/verdict token new --username alice --group team-payments": "run",
	"go run ./cmd/verdict token new --username alice --uid 1001 --group team-payments --audience https://kubernetes.default.svc --expires-in 720h":                                                                                                                                                                                                               "run",
	`echo '{"spec": {"user": "alice", "groups": ["team-payments"], "resourceAttributes": {"verb": "list", "resource": "leases", "namespace": "payments"}}}' | go run ./cmd/verdict explain -`:                                                                                                                                                                    "run",
	`echo '{"spec": {"user": "alice", "groups": ["team-payments"], "resourceAttributes": {"verb": "list", "resource": "leases", "namespace": "payments"}}}' | go run ./cmd/verdict explain --detail fails -`:                                                                                                                                                     "run",
	`echo '{"pod": {"metadata": {"name": "web"}}, "node": {"metadata": {"labels": {"verdict.dev/cordoned": "true"}}}}' | go run ./cmd/verdict explain --point scheduling -`:                                                                                                                                                                                      "run",
	`echo '{"pod": {"metadata": {"name": "web"}}, "node": {"metadata": {"labels": {"verdict.dev/cordoned": "true"}}}, "state": {"allocatable": {"cpu": 8000}, "requested": {"cpu": 8000}, "pods": [{"name": "batch", "namespace": "jobs", "uid": "1", "requests": {"cpu": 8000}}]}, "victims": [{"uid": "1"}]}' | go run ./cmd/verdict explain --verb preempt -`: "run",
	"go run ./cmd/verdict inspect":                                                                   "run",
	"go run ./cmd/verdict config default":                                                            "run",
	"go run ./cmd/verdict config default > verdict.yaml":                                             "run",
	"go run ./cmd/verdict config check verdict.yaml":                                                 "run",
	"cp -R rego/starter my-policies":                                                                 "run",
	"go run ./cmd/verdict import authentication-configuration authentication.yaml --output imported": "run",
	"go run ./cmd/verdict config check imported/verdict.yaml":                                        "run",
	"make test": "this very run",
}

// TestDocumentedCommands runs every command of the README and of docs/ that
// needs no control plane, page by page, in a copy of what it names; e2e runs
// the others.
func TestDocumentedCommands(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, folder := range []string{"docs", "docs/scheduling"} {
		found, err := filepath.Glob(filepath.Join(root, folder, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	seen := map[string]bool{}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		t.Run(filepath.Base(page), func(t *testing.T) {
			if controlPlanePages[filepath.Base(page)] {
				t.Logf("%s: run by e2e", filepath.Base(page))
				return
			}
			workspace := workspace(t, root)
			for name, text := range shownFiles(t, page) {
				if !strings.Contains(name, "/") {
					write(t, filepath.Join(workspace, name), text)
				}
			}
			for _, command := range commands(t, page) {
				if mixedPages[filepath.Base(page)] && !strings.HasPrefix(command, "go run ./cmd/verdict ") {
					t.Logf("run by e2e: %s", command)
					continue
				}
				how, known := documented[command]
				if !known {
					t.Errorf("no test runs the documented command: %s", command)
					continue
				}
				seen[command] = true
				switch how {
				case "run":
					runDocumented(t, workspace, command)
				case "serve":
					serveDocumented(t, workspace, command)
				}
			}
		})
	}
	for command := range documented {
		if !seen[command] {
			t.Errorf("no page documents the command any more: %s", command)
		}
	}
}

// controlPlanePages hold commands for a real control plane: e2e/docs_test.go runs those.
var controlPlanePages = map[string]bool{
	"connect-apiserver.md":    true,
	"connect-scheduler.md":    true,
	"when-verdict-is-down.md": true,
}

// mixedPages have some of both: what does not begin with go run is e2e's.
var mixedPages = map[string]bool{"tokens.md": true}

// commands returns the lines of the page's sh blocks.
func commands(t *testing.T, page string) []string {
	t.Helper()
	var out []string
	inside := false
	for line := range strings.Lines(readString(t, page)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```sh":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside && line != "" && !strings.HasPrefix(line, "#"):
			out = append(out, line)
		}
	}
	return out
}

// shownFiles are the blocks of the page that begin with # file:, by that name.
func shownFiles(t *testing.T, page string) map[string]string {
	t.Helper()
	files := map[string]string{}
	fence := regexp.MustCompile("(?ms)^```\\w+\n# file: (\\S+)\n(.*?)^```$")
	for _, block := range fence.FindAllStringSubmatch(readString(t, page), -1) {
		files[block[1]] = block[2]
	}
	return files
}

// workspace is a folder in which the documented commands find what they name,
// and may write beside it.
func workspace(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"cmd", "handlers", "policy", "rego", "internal", "go.mod", "go.sum"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// documentedCommand runs the line as a shell would. `go run` becomes a run of
// this very test binary, which is the same program, already built.
func documentedCommand(t *testing.T, workspace, line string) *exec.Cmd {
	t.Helper()
	program := strings.Replace(line, "go run ./cmd/verdict", shellQuote(os.Args[0]), 1)
	shell := exec.CommandContext(t.Context(), "sh", "-c", "exec "+program)
	shell.Dir = workspace
	cache := filepath.Join(workspace, "cache")
	shell.Env = append(os.Environ(), runMainEnv+"=1", "XDG_CACHE_HOME="+cache, "HOME="+cache)
	return shell
}

func runDocumented(t *testing.T, workspace, line string) {
	t.Helper()
	if out, err := documentedCommand(t, workspace, line).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// serveDocumented starts the server on free ports, tries what it prints, and stops it.
func serveDocumented(t *testing.T, workspace, line string) {
	t.Helper()
	p := start(t, documentedCommand(t, workspace, line+" --address 127.0.0.1:0 --operations-address 127.0.0.1:0"))
	tryPrinted(t, p)
	p.terminate()
	if code := p.wait(); code != 0 {
		t.Errorf("%s: exit code %d\n%s", line, code, p.stderr)
	}
}

// TestQuickstart runs the first command of the README as a newcomer does, from
// a plain build, but for the ports.
func TestQuickstart(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "verdict"), "./cmd/verdict")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cache := t.TempDir()
	command := exec.CommandContext(t.Context(), build.Args[3], "serve", "--address", "127.0.0.1:0", "--operations-address", "127.0.0.1:0")
	command.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache, "HOME="+cache)
	tryPrinted(t, start(t, command))
}
