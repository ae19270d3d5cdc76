package e2e

import (
	"slices"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"

	"github.com/verdict-dev/verdict/e2e/controlplane"
	"github.com/verdict-dev/verdict/e2e/oidcprovider"
)

// TestTokenAuthenticatorJWT asks about ID tokens with the client that the
// apiserver asks with. A source that was told the audiences to accept says that
// a token is good for the apiserver's own; else the token's audiences count.
func TestTokenAuthenticatorJWT(t *testing.T) {
	provider := startProvider(t)
	kubernetes, wiki := logIn(t, provider, "alice"), forWiki(t, provider)
	own := authenticator.Audiences{controlplane.Audience}
	type question struct {
		name      string
		token     string
		asked     authenticator.Audiences
		audiences authenticator.Audiences // nil: not authenticated
	}
	for _, source := range []struct {
		name, audiences string
		questions       []question
	}{
		{name: "audiences that are configured", audiences: "[kubernetes, staging]", questions: []question{
			{name: "the apiserver's own", token: kubernetes, asked: own, audiences: own},
			{name: "several, of which the apiserver's", token: kubernetes, asked: append(own, "vault"), audiences: own},
			{name: "another's", token: kubernetes, asked: authenticator.Audiences{"vault"}},
			{name: "that which the token names, as if it were another's", token: kubernetes, asked: authenticator.Audiences{oidcprovider.Kubernetes}},
			{name: "a token for none of them", token: wiki, asked: own},
		}},
		{name: "audiences that the token names", audiences: "[]", questions: []question{
			{name: "the apiserver's own, which it does not name", token: kubernetes, asked: own},
			{
				name: "several, of which it names one", token: kubernetes,
				asked: append(own, oidcprovider.Kubernetes, "vault"), audiences: authenticator.Audiences{oidcprovider.Kubernetes},
			},
			{
				name: "another client's token, asked for that client", token: wiki,
				asked: authenticator.Audiences{oidcprovider.Wiki}, audiences: authenticator.Audiences{oidcprovider.Wiki},
			},
			{name: "another client's token, asked for the first", token: wiki, asked: authenticator.Audiences{oidcprovider.Kubernetes}},
		}},
	} {
		t.Run(source.name, func(t *testing.T) {
			arrangeIdentity(t, company(provider, source.audiences))
			for _, version := range reviewVersions {
				for _, question := range source.questions {
					t.Run(question.name+", "+version, func(t *testing.T) {
						client, count := tokenAuthenticator(t, version)
						answer, ok, err := client.AuthenticateToken(authenticator.WithAudiences(t.Context(), question.asked), question.token)
						must(t, err)
						if ok != (question.audiences != nil) {
							t.Fatalf("authenticated %t, want %t", ok, question.audiences != nil)
						}
						if ok && (answer.User.GetName() != "oidc:alice@example.com" || !slices.Equal(answer.Audiences, question.audiences)) {
							t.Errorf("user %q for %v, want oidc:alice@example.com for %v", answer.User.GetName(), answer.Audiences, question.audiences)
						}
						if made := count.Load(); made != 1 {
							t.Errorf("%d calls were made, want 1", made)
						}
					})
				}
			}
			t.Run("none asked for", func(t *testing.T) {
				client, _ := tokenAuthenticator(t, "v1")
				_, ok, err := client.AuthenticateToken(t.Context(), kubernetes)
				must(t, err)
				if want := source.audiences != "[]"; ok != want {
					t.Errorf("authenticated %t, want %t", ok, want)
				}
			})
		})
	}
}
