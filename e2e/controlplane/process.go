package controlplane

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is a running program whose output goes to a file.
type Process struct {
	name string
	log  string
	pid  int
	done chan struct{}
	err  error // valid once done is closed
}

// startProcess runs a program with its output appended to log.
func startProcess(name, log, path string, args ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = filepath.Dir(log)
	cmd.SysProcAttr = attributes()

	process := &Process{name: name, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel's parent-death signal follows the thread that forked,
		// not the process: stay on it for the child's whole life.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := cmd.Start()
		if err == nil {
			process.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			process.err = cmd.Wait()
		}
		close(process.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return process, nil
}

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits for the end of the process and returns its exit error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s: %w", p.name, ctx.Err())
	}
}

// Signal sends a signal to the process and whatever it has started.
func (p *Process) Signal(signal syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := syscall.Kill(-p.pid, signal); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Stop asks the process to end, and kills it when it has not after grace.
func (p *Process) Stop(grace time.Duration) error {
	if p == nil || !p.Running() {
		return nil
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("%s was still running %s after SIGTERM and was killed", p.name, grace)
	}
}

// Log returns all the process has written so far, earlier runs included.
func (p *Process) Log() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// ended describes a process that ended when it should be running.
func (p *Process) ended() error {
	if p.err == nil {
		return fmt.Errorf("%s ended with exit code 0; the end of its log:\n%s", p.name, lastLines(p.Log(), 15))
	}
	return fmt.Errorf("%s ended: %w; the end of its log:\n%s", p.name, p.err, lastLines(p.Log(), 15))
}

// waitFor calls check until it succeeds, the process ends or
// startLimit is over.
func (p *Process) waitFor(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; the end of its log:\n%s", p.name, err, lastLines(p.Log(), 15))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
