package e2e

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/e2e/oidcprovider"
)

// TestOIDC: people log in at a provider, and kubectl shows the ID token.
func TestOIDC(t *testing.T) {
	provider := startProvider(t)
	arrangeIdentity(t, company(provider, "[kubernetes]"))

	const lifetime, leeway = 4 * time.Second, time.Second
	provider.SetLifetime(lifetime)
	brief, over := logIn(t, provider, "alice"), time.Now().Add(lifetime+leeway)
	provider.SetLifetime(time.Hour)
	authenticated(t, brief, "oidc:alice@example.com")

	alice := logIn(t, provider, "alice")
	t.Run("the user is whom the policy makes of the claims", func(t *testing.T) {
		out := allowed(t, bearing(t), "auth", "whoami", "--output=json", "--token="+alice)
		var review authenticationv1.SelfSubjectReview
		must(t, json.Unmarshal([]byte(out), &review))
		user := review.Status.UserInfo
		groups := slices.Sorted(slices.Values(user.Groups))
		want := []string{"oidc:dev", "oidc:team-payments", "system:authenticated"}
		if user.Username != "oidc:alice@example.com" || !slices.Equal(groups, want) {
			t.Errorf("username %q and groups %v, want oidc:alice@example.com and %v", user.Username, groups, want)
		}
	})
	t.Run("users of the token file are who they were", func(t *testing.T) {
		allowed(t, as(t, "bob"), "auth", "whoami")
	})

	for name, token := range map[string]string{
		"an email address that is not verified": logIn(t, provider, "carol"),
		"for another audience":                  forWiki(t, provider),
		"of an unknown issuer":                  logIn(t, startProvider(t), "alice"),
		"another payload":                       tampered(t, alice, "team-payments", "administrators"),
		"another signature":                     withSignatureOf(alice, logIn(t, provider, "bob")),
		"no signature":                          withoutSignature(alice),
	} {
		t.Run("a token is refused: "+name, func(t *testing.T) { nobody(t, token) })
	}
	t.Run("a token is refused: expired, after it was good", func(t *testing.T) {
		time.Sleep(time.Until(over))
		nobody(t, brief)
	})
	t.Run("the log holds no token", func(t *testing.T) {
		_, payload, _ := cut(alice)
		if strings.Contains(shared.VerdictLog(), payload) {
			t.Error("the payload of a token is in verdict's log")
		}
	})
}

// nobody requires that kubectl is told so, and verdict says so.
func nobody(t *testing.T, token string) {
	t.Helper()
	refused(t, bearing(t), []string{"Unauthorized"}, "auth", "whoami", "--token="+token)
	unauthenticated(t, token)
}

func forWiki(t *testing.T, provider *oidcprovider.Provider) string {
	t.Helper()
	token, err := provider.IDToken(t.Context(), oidcprovider.Wiki, "alice")
	must(t, err)
	return token
}

// tampered replaces a text in what the token says.
func tampered(t *testing.T, token, old, replacement string) string {
	t.Helper()
	header, payload, signature := cut(token)
	data, err := base64.RawURLEncoding.DecodeString(payload)
	must(t, err)
	changed := strings.Replace(string(data), old, replacement, 1)
	if changed == string(data) {
		t.Fatalf("there is no %q in %s", old, data)
	}
	return header + "." + base64.RawURLEncoding.EncodeToString([]byte(changed)) + "." + signature
}

func withSignatureOf(token, other string) string {
	header, payload, _ := cut(token)
	_, _, signature := cut(other)
	return header + "." + payload + "." + signature
}

// withoutSignature says, as RFC 7519 §6 allows, that nobody signed it.
func withoutSignature(token string) string {
	_, payload, _ := cut(token)
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + "."
}

// cut takes a token apart, as it is written.
func cut(token string) (header, payload, signature string) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ = strings.Cut(rest, ".")
	return header, payload, signature
}
