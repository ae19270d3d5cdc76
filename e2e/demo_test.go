package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo does with the demo what its reader does: paste each command it
// prints, then press Ctrl-C.
func TestDemo(t *testing.T) {
	scratch := t.TempDir()
	binary := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/demo")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the demo: %v\n%s", err, out)
	}

	demo := exec.CommandContext(t.Context(), binary)
	demo.Env = append(os.Environ(), "TMPDIR="+scratch)
	demo.Cancel = func() error { return demo.Process.Signal(syscall.SIGTERM) }
	demo.WaitDelay = 10 * time.Second
	demo.Stderr = os.Stderr
	stdout, err := demo.StdoutPipe()
	must(t, err)
	must(t, demo.Start())
	t.Cleanup(func() { _ = demo.Process.Kill() })

	var commands []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "/kubectl --kubeconfig=") {
			commands = append(commands, lines.Text())
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	children := childrenOf(t, demo.Process.Pid)
	if len(children) != 4 {
		t.Errorf("%d processes run beside the demo, want etcd, kube-apiserver, kube-scheduler and verdict", len(children))
	}

	t.Run("printed commands", func(t *testing.T) { pasteAll(t, commands) })

	must(t, demo.Process.Signal(syscall.SIGINT))
	for lines.Scan() {
		// Read to the end, as Wait closes the pipe.
	}
	if err := demo.Wait(); err != nil {
		t.Errorf("the demo did not end well: %v", err)
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
	left, err := os.ReadDir(scratch)
	must(t, err)
	for _, entry := range left {
		t.Errorf("%s was left behind", entry.Name())
	}
}

// pasteAll runs the commands in a shell, in order, and checks each by what
// the comment above it promises.
func pasteAll(t *testing.T, commands []string) {
	want := []struct {
		part   string
		exit   int
		output string
	}{
		{"auth whoami", 0, "team-payments"},
		{"get pods --namespace=payments", 0, "No resources found"},
		{"get secrets --namespace=kube-system", 1, "only trusted groups may read Secrets of kube-system"},
		{"get pods --namespace=search", 0, "No resources found"},
		{"get pods --namespace=payments", 1, "Forbidden"},
		{"get secrets --namespace=kube-system", 0, ""},
		{"run checkout", 0, "pod/checkout created"},
		{"wait pod/checkout", 0, "condition met"},
		{"run stray", 0, "pod/stray created"},
		{"wait pod/stray", 0, "condition met"},
		{"get events", 0, "node(s) not labelled for the pod's tenant"},
	}
	if len(commands) != len(want) {
		t.Fatalf("%d commands were printed, want %d:\n%s", len(commands), len(want), strings.Join(commands, "\n"))
	}
	home := t.TempDir()
	for i, command := range commands {
		if !strings.Contains(command, want[i].part) {
			t.Errorf("command %d is %q, want one with %q", i+1, command, want[i].part)
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		shell := exec.CommandContext(ctx, "sh", "-c", command)
		shell.Env = append(os.Environ(), "HOME="+home)
		out, _ := shell.CombinedOutput()
		cancel()
		if code := shell.ProcessState.ExitCode(); code != want[i].exit || !strings.Contains(string(out), want[i].output) {
			t.Errorf("%s\nexit code %d, want %d and %q:\n%s", command, code, want[i].exit, want[i].output, out)
		}
	}
}

// childrenOf reads the process table for those that a process started.
func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	var out []int
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid ...: the name may hold anything.
		text := string(data)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		must(t, err)
		out = append(out, pid)
	}
	return out
}
