package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// runMainEnv makes the test binary behave as verdict itself, so that tests see
// real processes, signals and exit codes.
const runMainEnv = "VERDICT_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMainEnv) != "" {
		os.Exit(run(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// patience bounds what a test waits for on a slow machine.
const patience = 60 * time.Second

// process is a verdict that runs.
type process struct {
	t              *testing.T
	command        *exec.Cmd
	webhooks       string // base URL
	operations     string // base URL
	curls          []string
	stdout, stderr *output
	exited         chan error
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// verdict prepares a run of this binary with a cache folder of its own.
func verdict(t *testing.T, cache string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), runMainEnv+"=1", "XDG_CACHE_HOME="+cache, "HOME="+cache)
	return command
}

// runVerdict runs it to its end.
func runVerdict(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	command := verdict(t, t.TempDir(), args...)
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run verdict %v: %v", args, err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// serve starts `verdict serve` on free ports and waits until it has announced itself.
func serve(t *testing.T, cache string, args ...string) *process {
	t.Helper()
	args = append([]string{"serve", "--address", "127.0.0.1:0", "--operations-address", "127.0.0.1:0"}, args...)
	return start(t, verdict(t, cache, args...))
}

func start(t *testing.T, command *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, command: command, stdout: &output{}, stderr: &output{}, exited: make(chan error, 1)}
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = p.stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	announced := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(io.TeeReader(pipe, p.stdout))
		for lines.Scan() {
			line := lines.Text()
			if rest, ok := strings.CutPrefix(line, "webhooks:"); ok {
				p.webhooks = strings.TrimSpace(rest)
			}
			if rest, ok := strings.CutPrefix(line, "operations:"); ok {
				p.operations = strings.TrimSuffix(strings.TrimSpace(rest), "/readyz?verbose")
			}
			if strings.HasPrefix(line, "policy:") {
				// The curl lines follow in the same write; take what is there.
				go func() { time.Sleep(50 * time.Millisecond); close(announced) }()
			}
		}
		p.exited <- command.Wait()
	}()
	t.Cleanup(func() { _ = command.Process.Kill() })
	select {
	case <-announced:
	case err := <-p.exited:
		t.Fatalf("verdict ended before it served: %v\n%s", err, p.stderr)
	case <-time.After(patience):
		t.Fatalf("verdict did not announce itself\n%s%s", p.stdout, p.stderr)
	}
	for line := range strings.Lines(p.stdout.String()) {
		if strings.HasPrefix(line, "curl ") {
			p.curls = append(p.curls, strings.TrimSpace(line))
		}
	}
	return p
}

func (p *process) terminate() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case err := <-p.exited:
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			p.t.Fatalf("waiting for verdict: %v, %v", err, exit)
		}
		return p.command.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("verdict did not end\n%s", p.stderr)
		return -1
	}
}

// get reads a path of the operations listener.
func (p *process) get(path string) (code int, body string) {
	p.t.Helper()
	return request(p.t, http.MethodGet, p.operations+path, "")
}

// post sends body to a path of the webhook listener, over plain HTTP.
func (p *process) post(path, body string) (code int, answer string) {
	p.t.Helper()
	return request(p.t, http.MethodPost, p.webhooks+path, body)
}

func request(t *testing.T, method, url, body string) (code int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// eventually waits until holds is true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
