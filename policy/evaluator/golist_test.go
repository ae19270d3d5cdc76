package evaluator

import (
	"os/exec"
	"strings"
	"testing"
)

func goList(t *testing.T, path string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	return strings.TrimSpace(string(out)), err
}
