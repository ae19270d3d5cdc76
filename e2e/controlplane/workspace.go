package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const workspacePrefix = "verdict-e2e-"

// newWorkspace makes the directory that holds everything of one run. Its name
// carries our process id, so that what a killed run left behind can be told
// from what a running one uses; the former is removed.
func newWorkspace() (string, error) {
	removeAbandoned(os.TempDir())
	dir, err := os.MkdirTemp("", workspacePrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("make the working directory of the run: %w", err)
	}
	return dir, nil
}

// removeAbandoned removes the workspaces in dir whose process is gone. It is
// best effort: another run may be doing the same.
func removeAbandoned(dir string) {
	found, err := filepath.Glob(filepath.Join(dir, workspacePrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range found {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), workspacePrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || pid <= 0 {
			continue
		}
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			_ = os.RemoveAll(path)
		}
	}
}
