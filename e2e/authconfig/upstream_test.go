package authconfig

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// upstream runs tests of a package of kube-apiserver's, from a copy of the sources in
// the module cache with a change to one of its files and another file beside it. It
// returns what these wrote to the file that the environment calls CASES, line by line.
func upstream(t *testing.T, pkg, file, addition, run string, change func(string) string) []json.RawMessage {
	t.Helper()
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	copied := filepath.Join(work, "copied")
	must(t, os.CopyFS(copied, os.DirFS(strings.TrimSpace(string(listed)))))
	must(t, filepath.WalkDir(copied, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(name, 0o700)
	}))
	source := read(t, filepath.Join(copied, file))
	must(t, os.WriteFile(filepath.Join(copied, file), []byte(change(source)), 0o600))
	must(t, os.WriteFile(filepath.Join(copied, "written_test.go"), []byte(read(t, addition)), 0o600))
	module := once(t, read(t, "../go.mod"), "module github.com/verdict-dev/verdict/e2e\n", "module copied.example\n")
	must(t, os.WriteFile(filepath.Join(work, "go.mod"), []byte(module), 0o600))
	must(t, os.WriteFile(filepath.Join(work, "go.sum"), []byte(read(t, "../go.sum")), 0o600))

	cases := filepath.Join(work, "cases")
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-run", run, "./copied")
	command.Dir = work
	command.Env = append(os.Environ(), "CASES="+cases, "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	var lines []json.RawMessage
	for line := range bytes.Lines([]byte(read(t, cases))) {
		lines = append(lines, line)
	}
	return lines
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	return string(text)
}

// once replaces what has to be there exactly once.
func once(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q is there %d times", old, n)
	}
	return strings.Replace(text, old, replacement, 1)
}

// verdict builds the program, once for all tests.
func verdict(ctx context.Context, t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "verdict")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/verdict")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}
