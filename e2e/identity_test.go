package e2e

import (
	"fmt"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"

	"github.com/verdict-dev/verdict/e2e/controlplane"
	"github.com/verdict-dev/verdict/e2e/oidcprovider"
)

// arrangeIdentity is arrange with the policies of testdata/identity and a
// source beside the token file; verdict is ready as soon as it was started.
func arrangeIdentity(t *testing.T, source string) {
	t.Helper()
	must(t, shared.InstallVerdict("testdata/identity"))
	addSources(t, source)
	must(t, shared.EnsureAPIServer(t.Context(), shared.WebhookFlags("v1")))
	must(t, shared.StartVerdict(t.Context()))
	must(t, shared.WaitVerdictReady(t.Context()))
}

// startProvider runs an OpenID Connect provider until the test ends.
func startProvider(t *testing.T) *oidcprovider.Provider {
	t.Helper()
	provider, err := oidcprovider.New(t.TempDir())
	must(t, err)
	must(t, provider.Start())
	t.Cleanup(func() {
		if err := provider.Stop(); err != nil {
			t.Error(err)
		}
	})
	return provider
}

// company is the source for a provider's ID tokens. Audiences as YAML; "[]"
// for those that the tokens name.
func company(provider *oidcprovider.Provider, audiences string) string {
	return fmt.Sprintf("    - name: company\n      jwt: {issuers: [%q], audiences: %s, leeway: 1s, connection: {caFile: %q}}\n",
		provider.Issuer(), audiences, provider.CAFile)
}

// logIn returns an ID token for kubectl.
func logIn(t *testing.T, provider *oidcprovider.Provider, username string) string {
	t.Helper()
	token, err := provider.IDToken(t.Context(), oidcprovider.Kubernetes, username)
	must(t, err)
	return token
}

// bearing is the kubeconfig of somebody who presents nothing but "--token".
func bearing(t *testing.T) string {
	t.Helper()
	path, err := shared.TokenKubeconfig("bearer", "")
	must(t, err)
	return path
}

// authenticated requires that verdict, asked as the apiserver asks it, takes
// the token for that user.
func authenticated(t *testing.T, token, username string) {
	t.Helper()
	if got, err := authenticate(t, token); err != nil || got != username {
		t.Errorf("user %q, error %v, want %s", got, err, username)
	}
}

// unauthenticated requires a definite no.
func unauthenticated(t *testing.T, token string) {
	t.Helper()
	if got, err := authenticate(t, token); err != nil || got != "" {
		t.Errorf("user %q, error %v, want no user and no error", got, err)
	}
}

// undecided requires an error in place of a yes or no, which the apiserver does
// not keep.
func undecided(t *testing.T, token string) {
	t.Helper()
	if got, err := authenticate(t, token); err == nil {
		t.Errorf("user %q and no error, want an error", got)
	}
}

// authenticate asks verdict about a token with the apiserver's client; "" is
// nobody.
func authenticate(t *testing.T, token string) (username string, err error) {
	t.Helper()
	client, _ := tokenAuthenticator(t, "v1")
	ctx := authenticator.WithAudiences(t.Context(), authenticator.Audiences{controlplane.Audience})
	answer, ok, err := client.AuthenticateToken(ctx, token)
	if err != nil || !ok {
		return "", err
	}
	return answer.User.GetName(), nil
}
