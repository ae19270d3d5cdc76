// Package servers builds, starts, watches and stops what is measured, each as a
// process of its own on a free loopback port.
package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTimeout leaves room for a loaded machine that compiles policies.
	startTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
	pollPause    = 20 * time.Millisecond
)

// Process is a running server.
type Process struct {
	Name    string
	Address string // host:port of what is measured
	// Operations is the URL below which it answers for health and metrics; empty
	// where it does not.
	Operations string
	command    *exec.Cmd
	output     *bytes.Buffer
	exited     chan struct{}
	err        error // why it ended; set when exited is closed
}

// Start runs command and waits until ready answers 200, or, when ready is
// empty, until address takes connections.
func Start(ctx context.Context, name, address, ready string, command *exec.Cmd) (*Process, error) {
	p := &Process{Name: name, Address: address, command: command, output: new(bytes.Buffer), exited: make(chan struct{})}
	command.Stdout, command.Stderr = p.output, p.output
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = command.Wait()
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !reached(ctx, address, ready) {
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", name, p.err, p.output)
		case <-ctx.Done():
			stopped := p.Stop() // and its output is complete
			return nil, errors.Join(fmt.Errorf("%s is not ready: %w\n%s", name, ctx.Err(), p.output), stopped)
		case <-time.After(pollPause):
		}
	}
	return p, nil
}

func reached(ctx context.Context, address, ready string) bool {
	if ready == "" {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		return err == nil && conn.Close() == nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ready, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// Stop ends the process and waits until it has ended, by force if need be.
func (p *Process) Stop() error {
	select {
	case <-p.exited: // crashed
		return errors.Join(fmt.Errorf("%s had ended already:\n%s", p.Name, p.output), p.err)
	default:
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w", p.Name, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopTimeout):
		err := p.command.Process.Kill()
		<-p.exited
		return errors.Join(fmt.Errorf("%s did not stop within %v", p.Name, stopTimeout), err)
	}
}

// clockTicks a second: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTicks = 100

// CPU is the processor time that the process has used, in steps of 10 ms. It is
// known on Linux alone.
func (p *Process) CPU() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", p.Name, err)
	}
	return parseCPU(string(text))
}

// parseCPU reads utime and stime, fields 14 and 15. The second, the command's
// name in parentheses, may itself hold spaces and parentheses.
func parseCPU(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3 // what is left begins with field 3
	if len(fields) <= system {
		return 0, fmt.Errorf("processor time: %q has too few fields", stat)
	}
	var ticks uint64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / clockTicks), nil
}

// Resident is how much memory the process occupies, in bytes. It is known on
// Linux alone.
func (p *Process) Resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.Name, err)
	}
	return parseResident(string(text))
}

func parseResident(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kibibytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("memory: %w", err)
			}
			return kibibytes << 10, nil
		}
	}
	return 0, errors.New("memory: no line VmRSS")
}

// FreeAddress returns a loopback address that nothing listens on.
func FreeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
