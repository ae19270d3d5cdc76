package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestOIDCProviderDown: verdict goes on with the keys it has, and says of what
// it cannot tell that it cannot.
func TestOIDCProviderDown(t *testing.T) {
	provider := startProvider(t)
	arrangeIdentity(t, company(provider, "[kubernetes]"))
	known := time.Now()
	unseen := logIn(t, provider, "alice")
	authenticated(t, logIn(t, provider, "bob"), "oidc:bob@example.com")
	must(t, provider.Rotate(true))
	newKey := logIn(t, provider, "alice")
	must(t, provider.Stop())

	t.Run("a token that was never seen, with a key that is known", func(t *testing.T) {
		allowed(t, bearing(t), "auth", "whoami", "--token="+unseen)
	})
	t.Run("a forged one", func(t *testing.T) { unauthenticated(t, tampered(t, unseen, "team-payments", "administrators")) })
	t.Run("a key that is not known", func(t *testing.T) {
		time.Sleep(time.Until(known.Add(lookAgainAfter))) // so that verdict tries
		undecided(t, newKey)
		refused(t, bearing(t), []string{"Unauthorized"}, "auth", "whoami", "--token="+newKey)
	})
	t.Run("users of the token file", func(t *testing.T) {
		allowed(t, as(t, "alice"), "auth", "whoami")
		unauthenticated(t, "nobody's")
	})
	t.Run("verdict is ready, and says what is wrong", func(t *testing.T) {
		must(t, shared.WaitVerdictReady(t.Context()))
		if status := fetch(t, "/readyz?verbose"); !strings.Contains(status, provider.Issuer()) || !strings.Contains(status, "connection refused") {
			t.Errorf("the status is\n%s", status)
		}
	})

	must(t, provider.Start())
	t.Run("started again", func(t *testing.T) {
		becomes(t, newKey, "oidc:alice@example.com")
		allowed(t, bearing(t), "auth", "whoami", "--token="+logIn(t, provider, "bob"))
	})
}

// TestOIDCProviderDownAtStart: verdict does not wait for an issuer.
func TestOIDCProviderDownAtStart(t *testing.T) {
	provider := startProvider(t)
	token, wiki := logIn(t, provider, "alice"), forWiki(t, provider)
	must(t, provider.Stop())
	arrangeIdentity(t, company(provider, "[kubernetes]"))

	t.Run("users of the token file", func(t *testing.T) { allowed(t, as(t, "alice"), "auth", "whoami") })
	t.Run("whether an ID token is good is not known", func(t *testing.T) { undecided(t, token) })
	t.Run("that it is not for kubectl is", func(t *testing.T) { unauthenticated(t, wiki) })

	must(t, provider.Start())
	t.Run("once the provider is up", func(t *testing.T) {
		becomes(t, token, "oidc:alice@example.com")
		allowed(t, bearing(t), "auth", "whoami", "--token="+logIn(t, provider, "bob"))
	})
}

// becomes waits until verdict authenticates the token as that user without being
// restarted. Until then every answer must be an error: a definite no would be kept.
func becomes(t *testing.T, token, username string) {
	t.Helper()
	eventually(t, lookAgainAfter-time.Second, func() error {
		got, err := authenticate(t, token)
		if err == nil && got != username {
			t.Fatalf("user %q and no error, want %s or an error", got, username)
		}
		return err
	})
}
