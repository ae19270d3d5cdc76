package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// hung is longer than any kubectl may take, whatever happens to verdict.
const hung = 20 * time.Second

// load runs kubectl over and over, each command in a loop of its own, until
// it is stopped.
type load struct {
	stop    context.CancelFunc
	loops   sync.WaitGroup
	mu      sync.Mutex
	results map[string][]controlplane.Result
	faults  []error
}

func startLoad(t *testing.T, commands map[string][]string) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, results: map[string][]controlplane.Result{}}
	t.Cleanup(func() { stop(); l.loops.Wait() })
	for name, args := range commands {
		l.loops.Go(func() {
			for ctx.Err() == nil {
				// What was begun is finished: a kubectl that hangs shows.
				once, cancel := context.WithTimeout(context.WithoutCancel(ctx), hung)
				result, err := shared.Kubectl(once, args[0], args[1:]...)
				cancel()
				l.mu.Lock()
				l.results[name] = append(l.results[name], result)
				if err != nil {
					l.faults = append(l.faults, fmt.Errorf("%s: %w", name, err))
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

// count is how many runs of a command there are for which the test holds.
func (l *load) count(name string, test func(controlplane.Result) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, result := range l.results[name] {
		if test(result) {
			n++
		}
	}
	return n
}

// more waits until a command gave a result for which the test holds n times
// more than it has so far.
func (l *load) more(t *testing.T, name string, n int, test func(controlplane.Result) bool) {
	t.Helper()
	want := l.count(name, test) + n
	eventually(t, 30*time.Second, func() error {
		if have := l.count(name, test); have < want {
			return fmt.Errorf("%s: %d such results, waiting for %d", name, have, want)
		}
		return nil
	})
}

func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.loops.Wait()
	for _, fault := range l.faults {
		t.Errorf("a kubectl hung: %v", fault)
	}
	for name, results := range l.results {
		var slowest time.Duration
		for _, result := range results {
			slowest = max(slowest, result.Took)
		}
		t.Logf("%s: %d runs, the slowest took %s", name, len(results), slowest.Round(time.Millisecond))
	}
}

func succeeded(result controlplane.Result) bool { return result.Exit == 0 }
func failed(result controlplane.Result) bool    { return result.Exit != 0 }

func says(texts ...string) func(controlplane.Result) bool {
	return func(result controlplane.Result) bool {
		for _, text := range texts {
			if !strings.Contains(result.Stderr, text) {
				return false
			}
		}
		return true
	}
}

// commands by users whose RBAC allows what the policy denies, so that a
// decision that verdict did not take shows.
func loadCommands(t *testing.T) map[string][]string {
	return map[string][]string{
		"allowed by policy": {engineer(t), "get", "pods", "--namespace=payments"},
		"denied by policy":  {engineer(t), "get", "secrets", "--namespace=payments"},
		"by token":          {as(t, "alice"), "get", "pods", "--namespace=payments"},
		"administrator":     {shared.AdminKubeconfig, "get", "secrets", "--namespace=payments"},
		"scheduler":         {filepath.Join(shared.Dir, "etc-kubernetes", "scheduler.conf"), "get", "pods", "--namespace=payments"},
	}
}

const sealed = "secrets of payments are sealed"

func TestVerdictDownFailClosed(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	load := startLoad(t, loadCommands(t))
	load.more(t, "allowed by policy", 2, succeeded)
	load.more(t, "denied by policy", 2, says(sealed))

	t.Run("killed", func(t *testing.T) {
		shared.KillVerdict()
		load.more(t, "allowed by policy", 2, says(unanswered...))
		load.more(t, "denied by policy", 2, says(unanswered...))
		load.more(t, "by token", 2, says("Unauthorized"))
		load.more(t, "administrator", 2, succeeded)
		load.more(t, "scheduler", 2, succeeded)
	})
	t.Run("started again", func(t *testing.T) {
		must(t, shared.StartVerdict(t.Context()))
		load.more(t, "allowed by policy", 2, succeeded)
		load.more(t, "denied by policy", 2, says(sealed))
		load.more(t, "by token", 2, succeeded)
	})
	t.Run("stopped in an orderly way, nobody notices before it is gone", func(t *testing.T) {
		failures := load.count("allowed by policy", failed)
		must(t, shared.SignalVerdict(syscall.SIGTERM))
		// It drains for 5 s, in which it answers as before.
		load.more(t, "allowed by policy", 3, succeeded)
		if now := load.count("allowed by policy", failed); now != failures {
			t.Errorf("%d requests failed while verdict was draining", now-failures)
		}
		if err := shared.WaitVerdict(t.Context()); err != nil {
			t.Errorf("verdict did not end well: %v", err)
		}
		load.more(t, "allowed by policy", 1, says(unanswered...))
		must(t, shared.StartVerdict(t.Context()))
		load.more(t, "allowed by policy", 2, succeeded)
	})
	t.Run("frozen", func(t *testing.T) {
		must(t, shared.SignalVerdict(syscall.SIGSTOP))
		load.more(t, "allowed by policy", 1, says(unanswered...))
		load.more(t, "denied by policy", 1, says(unanswered...))
		must(t, shared.SignalVerdict(syscall.SIGCONT))
		load.more(t, "allowed by policy", 2, succeeded)
		load.more(t, "denied by policy", 2, says(sealed))
	})

	load.end(t)
	if n := load.count("denied by policy", succeeded); n != 0 {
		t.Errorf("what the policy denies was allowed %d times", n)
	}
	for _, name := range []string{"administrator", "scheduler"} {
		if n := load.count(name, failed); n != 0 {
			t.Errorf("%s: %d runs failed, though verdict has no part in them", name, n)
		}
	}
}

// The flags form has no failure policy: an apiserver that gets no answer asks
// the next authorizer. docs/when-verdict-is-down.md says so.
func TestVerdictDownFlagsFallThrough(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	commands := loadCommands(t)
	delete(commands, "by token")
	load := startLoad(t, commands)
	load.more(t, "denied by policy", 2, says(sealed))
	if n := load.count("denied by policy", succeeded); n != 0 {
		t.Errorf("what the policy denies was allowed %d times while verdict was up", n)
	}

	shared.KillVerdict()
	load.more(t, "allowed by policy", 2, says(unanswered...)) // RBAC does not allow it
	load.more(t, "denied by policy", 2, succeeded)            // RBAC does
	load.more(t, "administrator", 2, succeeded)

	must(t, shared.StartVerdict(t.Context()))
	load.more(t, "allowed by policy", 2, succeeded)
	load.more(t, "denied by policy", 2, says(sealed))
	load.end(t)
}
