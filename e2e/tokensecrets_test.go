package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

const (
	tokensNamespace = "verdict-tokens"
	secretsSource   = "    - name: team-tokens\n      secrets: {namespace: verdict-tokens, groupPrefixes: [payments-]}\n"
	// soon is how long something may take that happens at once.
	soon = 5 * time.Second
)

// TestTokenSecrets: users by Secrets, made and taken back with kubectl, and read
// by verdict with what deploy/ lets it do and no more.
func TestTokenSecrets(t *testing.T) {
	deploy, err := controlplane.DeployDir(t.Context())
	must(t, err)
	manifest := filepath.Join(deploy, "token-secrets", "verdict-tokens.yaml")
	must(t, shared.EnsureAPIServer(t.Context(), shared.WebhookFlags("v1")))
	allowed(t, shared.AdminKubeconfig, "delete", "rolebinding", "verdict-tokens", "--namespace="+tokensNamespace, "--ignore-not-found")

	must(t, shared.InstallVerdict("testdata/policy"))
	addSources(t, secretsSource)
	must(t, shared.StartVerdict(t.Context()))
	eventually(t, soon, func() error {
		if status := fetch(t, "/readyz?verbose"); !strings.Contains(status, `User "system:verdict" cannot list resource "secrets"`) {
			return fmt.Errorf("verdict does not say that it may not read the Secrets:\n%s", status)
		}
		return nil
	})
	// What an operator applies is accepted as it is, without a warning.
	if result := kubectl(t, shared.AdminKubeconfig, "apply", "--validate=strict", "--filename", manifest); result.Exit != 0 || result.Stderr != "" {
		t.Fatalf("kubectl apply: %s", result)
	}
	must(t, shared.WaitVerdictReady(t.Context()))

	t.Run("verdict may read these Secrets and no others", testSecretsAccess)
	token := applySecret(t, "ci", "--username=ci-bot", "--uid=7", "--group=payments-robots", "--extra=example.com/team=payments")
	ci, err := shared.TokenKubeconfig("ci-bot", token)
	must(t, err)
	t.Cleanup(func() { remove(t, admin(t).CoreV1().Secrets(tokensNamespace).Delete, "greedy") })

	t.Run("a user by a Secret", func(t *testing.T) {
		expectGroup(t, token, "payments-robots")
		out := allowed(t, ci, "auth", "whoami")
		for _, want := range []string{"ci-bot", "[payments-robots system:authenticated]", "example.com/team"} {
			if !strings.Contains(out, want) {
				t.Errorf("kubectl auth whoami does not say %s:\n%s", want, out)
			}
		}
	})
	t.Run("groups outside of the prefixes", func(t *testing.T) {
		token := applySecret(t, "greedy", "--username=greedy", "--group=payments-robots", "--group=platform-admins")
		eventually(t, soon, func() error {
			if !strings.Contains(shared.VerdictLog(), `Secret verdict-tokens/greedy is refused: groups, line 2: begins with none of`) {
				return fmt.Errorf("verdict does not say so")
			}
			return nil
		})
		greedy, err := shared.TokenKubeconfig("greedy", token)
		must(t, err)
		refused(t, greedy, []string{"Unauthorized"}, "auth", "whoami")
		if strings.Contains(shared.VerdictLog(), "platform-admins") {
			t.Error("the log shows what is in the Secret")
		}
		if status := fetch(t, "/readyz?verbose"); !strings.Contains(status, "identity source team-tokens: 1 tokens, 1 Secrets refused, last contact with the API server at https://") {
			t.Errorf("the status is\n%s", status)
		}
		if metrics := fetch(t, "/metrics"); !strings.Contains(metrics, `verdict_identity_secrets{source="team-tokens",state="group"} 1`) {
			t.Error("the metrics do not count it")
		}
	})
	t.Run("a change takes effect at once", func(t *testing.T) {
		allowed(t, shared.AdminKubeconfig, "patch", "secret", "ci", "--namespace="+tokensNamespace, "--type=merge", "--patch", `{"stringData":{"groups":"payments-leads\n"}}`)
		expectGroup(t, token, "payments-leads")
	})
	t.Run("without the label it is nobody's", func(t *testing.T) {
		allowed(t, shared.AdminKubeconfig, "label", "secret", "ci", "--namespace="+tokensNamespace, "verdict.dev/token-")
		expectNobody(t, token)
		allowed(t, shared.AdminKubeconfig, "label", "secret", "ci", "--namespace="+tokensNamespace, "verdict.dev/token=true")
		expectGroup(t, token, "payments-leads")
	})
	t.Run("a deletion takes effect at once", func(t *testing.T) {
		allowed(t, shared.AdminKubeconfig, "delete", "secret", "ci", "--namespace="+tokensNamespace)
		expectNobody(t, token)
		// The apiserver keeps a success for 10 s, whatever its flags say.
		eventually(t, 20*time.Second, func() error {
			if result := kubectl(t, ci, "auth", "whoami"); result.Exit == 0 {
				return fmt.Errorf("the apiserver knows the token: %s", result)
			}
			return nil
		})
	})
	if strings.Contains(shared.VerdictLog(), token) {
		t.Error("the log shows the token")
	}
}

// testSecretsAccess asks for both of verdict's forms.
func testSecretsAccess(t *testing.T) {
	for _, verdict := range []string{controlplane.VerdictUser, "system:serviceaccount:verdict-system:verdict"} {
		for _, test := range []struct{ verb, namespace, want string }{
			{"list", tokensNamespace, "yes"},
			{"watch", tokensNamespace, "yes"},
			{"create", tokensNamespace, "no"},
			{"list", "verdict-system", "no"},
			{"list", "search", "no"},
		} {
			result := kubectl(t, shared.AdminKubeconfig, "auth", "can-i", test.verb, "secrets", "--namespace="+test.namespace, "--as="+verdict)
			if got := strings.TrimSpace(result.Stdout); got != test.want {
				t.Errorf("%s may %s Secrets of %s: %s, want %s", verdict, test.verb, test.namespace, result, test.want)
			}
		}
	}
	allowed(t, shared.AdminKubeconfig, "get", "serviceaccount", "verdict", "--namespace=verdict-system")
}

// addSources puts identity sources into the configuration that is installed.
func addSources(t *testing.T, sources string) {
	t.Helper()
	file := filepath.Join(shared.VerdictDir(), "config.yaml")
	config, err := os.ReadFile(file)
	must(t, err)
	edit(t, file, strings.Replace(string(config), "  sources:\n", "  sources:\n"+sources, 1))
}

// applySecret pipes the Secret of a new token into kubectl, and returns the token.
func applySecret(t *testing.T, name string, args ...string) (token string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(shared.Dir, "verdict"),
		append([]string{"token", "new", "--secret", "--namespace=" + tokensNamespace, "--name=" + name}, args...)...)
	var shown strings.Builder
	command.Stderr = &shown
	manifest, err := command.Output()
	must(t, err)
	result, err := shared.KubectlInput(t.Context(), shared.AdminKubeconfig, string(manifest), "apply", "--validate=strict", "--filename=-")
	must(t, err)
	if result.Exit != 0 || result.Stderr != "" {
		t.Fatalf("kubectl apply: %s", result)
	}
	_, token, _ = strings.Cut(strings.TrimSpace(shown.String()), "\n")
	return token
}

// expectGroup waits until ci-bot has this group alone, asking verdict itself.
func expectGroup(t *testing.T, token, group string) {
	t.Helper()
	verdict, _ := tokenAuthenticator(t, "v1")
	eventually(t, soon, func() error {
		answer, known, err := verdict.AuthenticateToken(t.Context(), token)
		if err != nil {
			return err
		}
		if !known {
			return errors.New("it is not known")
		}
		if u := answer.User; u.GetName() != "ci-bot" || u.GetUID() != "7" || !slices.Equal(u.GetGroups(), []string{group}) || !slices.Equal(u.GetExtra()["example.com/team"], []string{"payments"}) {
			return fmt.Errorf("the user is %+v, want ci-bot of %s", u, group)
		}
		return nil
	})
}

// expectNobody asks verdict itself until it does not know the token.
func expectNobody(t *testing.T, token string) {
	t.Helper()
	verdict, _ := tokenAuthenticator(t, "v1")
	began := time.Now()
	eventually(t, soon, func() error {
		_, known, err := verdict.AuthenticateToken(t.Context(), token)
		if known {
			return errors.New("it is still known")
		}
		return err
	})
	t.Logf("nobody's after %s", time.Since(began).Round(time.Millisecond))
}
