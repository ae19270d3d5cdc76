package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// TestServiceAccountsOfAnotherCluster: the run's cluster is cluster A. A verdict
// of cluster B knows its service accounts by the tokens that it issues, whose
// keys it publishes to those it lets.
func TestServiceAccountsOfAnotherCluster(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	certificate, err := shared.ClusterCA().Client(filepath.Join(t.TempDir(), "verdict"), "verdict-of-cluster-b")
	must(t, err)
	allowed(t, shared.AdminKubeconfig, "create", "clusterrolebinding", "verdict-of-cluster-b",
		"--clusterrole=system:service-account-issuer-discovery", "--user=verdict-of-cluster-b")
	t.Cleanup(func() {
		_, _ = shared.Kubectl(context.WithoutCancel(t.Context()), shared.AdminKubeconfig, "delete", "clusterrolebinding", "verdict-of-cluster-b")
	})
	keys := filepath.Join(t.TempDir(), "jwks.json")
	must(t, os.WriteFile(keys, []byte(allowed(t, shared.AdminKubeconfig, "get", "--raw=/openid/v1/jwks")), 0o600))

	const audience = "https://cluster-b.example.com"
	token := func(audience string) string {
		return strings.TrimSpace(allowed(t, shared.AdminKubeconfig,
			"create", "token", "robot", "--namespace=payments", "--audience="+audience))
	}
	good, theirs := token(audience), token(controlplane.Audience)
	for name, from := range map[string]string{
		"keys fetched with a client certificate": fmt.Sprintf("jwksURL: %q, connection: {caFile: %q, certFile: %q, keyFile: %q}",
			shared.APIServerURL()+"/openid/v1/jwks", shared.ClusterCA().File, certificate.CertFile, certificate.KeyFile),
		"keys from a file": fmt.Sprintf("jwksFile: %q", keys),
	} {
		t.Run(name, func(t *testing.T) {
			verdict, err := shared.StartOtherVerdict(t.Context(), "testdata/identity", fmt.Sprintf(
				"    - name: cluster-a\n      jwt: {issuers: [%q], audiences: [%q], %s}\n", controlplane.Audience, audience, from))
			must(t, err)
			defer verdict.Kill()
			config, _ := webhookConfig(t, "authentication-webhook.kubeconfig.yaml")
			config.Host = verdict.URL + "/authenticate"
			client, err := webhook.New(config, "v1", authenticator.Audiences{audience}, quick)
			must(t, err)

			answer, ok, err := client.AuthenticateToken(t.Context(), good)
			if err != nil || !ok || answer.User.GetName() != "cluster-a:payments:robot" {
				t.Errorf("answer %+v, authenticated %t, error %v, want cluster-a:payments:robot", answer, ok, err)
			}
			for name, bad := range map[string]string{"for cluster A's apiserver": theirs, "tampered with": tampered(t, good, "robot", "admin")} {
				if answer, ok, err := client.AuthenticateToken(t.Context(), bad); err != nil || ok {
					t.Errorf("%s: answer %+v, authenticated %t, error %v, want nobody", name, answer, ok, err)
				}
			}
		})
	}
}
