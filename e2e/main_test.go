package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// shared is the control plane that all tests use one after the other. A boot
// takes seconds; only etcd lives through the whole run, the rest is replaced
// by tests that need it otherwise.
var shared *controlplane.ControlPlane

// tokens of the users below.
var tokens map[string]string

var users = []controlplane.User{
	{
		Username: "alice", UID: "u-alice", Groups: []string{"payments-engineers", "employees"},
		Extra: map[string][]string{"example.com/on-call": {"primary", "weekend"}},
	},
	{Username: "bob", UID: "u-bob", Groups: []string{"search-engineers"}},
	{Username: "mallory", Groups: []string{"payments-engineers"}},
	// Good here and elsewhere; good elsewhere only.
	{Username: "both", Audiences: []string{controlplane.Audience, "vault"}},
	{Username: "vaulted", Audiences: []string{"vault"}},
	// What the policy does to these must not reach Kubernetes.
	{Username: "ghost"},
	{Username: "impostor"},
	{Username: "oddball", Extra: map[string][]string{"example.com/quota": {"many"}}},
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	if shared, err = controlplane.New(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := shared.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	// An interrupted run cleans up like one that ends.
	interrupted := context.AfterFunc(ctx, func() {
		_ = shared.Close()
		os.Exit(1)
	})
	defer interrupted()
	if err := prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if code != 0 {
		showLogs(filepath.Join(shared.Dir, "logs"))
	}
	return code
}

// prepare brings up what every test needs: users, verdict, an apiserver, the
// namespaces and what verdict may read.
func prepare(ctx context.Context) error {
	if err := shared.InstallVerdict("testdata/policy"); err != nil {
		return err
	}
	var err error
	if tokens, err = shared.AddUsers(ctx, users...); err != nil {
		return err
	}
	if err := shared.StartVerdict(ctx); err != nil {
		return err
	}
	if err := shared.EnsureAPIServer(ctx, shared.WebhookFlags("")); err != nil {
		return err
	}
	if err := shared.GrantVerdict(ctx); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"create", "namespace", "payments"},
		{"create", "namespace", "search"},
		{"create", "serviceaccount", "robot", "--namespace=payments"},
		// RBAC would let the engineers read the secrets that the policy
		// seals, which is how a fall-through shows.
		{"create", "role", "reader", "--namespace=payments", "--verb=get,list", "--resource=secrets,services"},
		{"create", "rolebinding", "reader", "--namespace=payments", "--role=reader", "--group=payments-engineers"},
		{"create", "role", "robot", "--namespace=payments", "--verb=get,list", "--resource=configmaps,services"},
		{"create", "rolebinding", "robot", "--namespace=payments", "--role=robot", "--serviceaccount=payments:robot"},
	} {
		result, err := shared.Kubectl(ctx, shared.AdminKubeconfig, args...)
		if err != nil {
			return err
		}
		if result.Exit != 0 {
			return fmt.Errorf("kubectl %s: %s", strings.Join(args, " "), result)
		}
	}
	return shared.WaitVerdictReady(ctx)
}

// arrange gives a test the policies of testdata, a verdict that runs and an
// apiserver with these flags.
func arrange(t *testing.T, flags []string) {
	t.Helper()
	must(t, shared.InstallVerdict("testdata/policy"))
	must(t, shared.StartVerdict(t.Context()))
	must(t, shared.EnsureAPIServer(t.Context(), flags))
	must(t, shared.WaitVerdictReady(t.Context()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// as is the kubeconfig of a user known by a token.
func as(t *testing.T, user string) string {
	t.Helper()
	token, found := tokens[user]
	if !found {
		t.Fatalf("no token was made for %q", user)
	}
	path, err := shared.TokenKubeconfig(user, token)
	must(t, err)
	return path
}

func kubectl(t *testing.T, kubeconfig string, args ...string) controlplane.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := shared.Kubectl(ctx, kubeconfig, args...)
	must(t, err)
	return result
}

// allowed requires that kubectl succeeds, and returns what it printed.
func allowed(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	result := kubectl(t, kubeconfig, args...)
	if result.Exit != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), result)
	}
	return result.Stdout
}

// refused requires that kubectl fails and says all of these texts.
func refused(t *testing.T, kubeconfig string, texts []string, args ...string) {
	t.Helper()
	result := kubectl(t, kubeconfig, args...)
	if result.Exit == 0 {
		t.Fatalf("kubectl %s succeeded: %s", strings.Join(args, " "), result)
	}
	for _, text := range texts {
		if !strings.Contains(result.Stderr, text) {
			t.Errorf("kubectl %s does not say %q: %s", strings.Join(args, " "), text, result)
		}
	}
}

// eventually calls check until it succeeds.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func showLogs(dir string) {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, path := range logs {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
		fmt.Fprintf(os.Stderr, "--- the end of %s\n%s\n", filepath.Base(path), strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
}
