package controlplane

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process that ignores SIGTERM and has a child of its own.
const stubborn = `trap "" TERM; sleep 600 & echo child $!; while :; do sleep 0.1; done`

func TestKillTakesTheWholeGroup(t *testing.T) {
	process, err := startProcess("stubborn", filepath.Join(t.TempDir(), "log"), "/bin/sh", "-c", stubborn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	child := childOf(t, process)
	process.Kill()
	if process.Running() {
		t.Error("it still runs")
	}
	deadline := time.Now().Add(5 * time.Second)
	for alive(child) {
		if time.Now().After(deadline) {
			t.Fatalf("its child %d still runs", child)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestRemoveAbandoned(t *testing.T) {
	dir := t.TempDir()
	ended := exec.CommandContext(t.Context(), "/bin/sh", "-c", "exit 0")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{
		workspacePrefix + strconv.Itoa(ended.Process.Pid) + "-1": false,
		workspacePrefix + strconv.Itoa(os.Getpid()) + "-1":       true,
		workspacePrefix + "somebody-1":                           true,
		"something-else":                                         true,
	} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		removeAbandoned(dir)
		if _, err := os.Stat(path); (err == nil) != kept {
			t.Errorf("%s is there: %t, want %t", name, err == nil, kept)
		}
	}
}

func childOf(t *testing.T, process *Process) int {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if _, pid, found := strings.Cut(process.Log(), "child "); found && strings.HasSuffix(pid, "\n") {
			child, err := strconv.Atoi(strings.TrimSpace(pid))
			if err != nil {
				t.Fatal(err)
			}
			return child
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it did not start: %s", process.Log())
	return 0
}

// alive does not count a process that has ended and waits to be reaped.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}
