package e2e

import (
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/oidcprovider"
)

// lookAgainAfter is how long verdict does not ask an issuer again because of a
// key it does not know.
const lookAgainAfter = 10 * time.Second

// TestOIDCKeyRotation: an issuer that signs with a new key is asked for its keys
// once, and nobody can make verdict ask more often.
func TestOIDCKeyRotation(t *testing.T) {
	provider := startProvider(t)
	asked := provider.KeysAsked()
	arrangeIdentity(t, company(provider, "[kubernetes]"))
	known := time.Now()
	if n := provider.KeysAsked() - asked; n != 1 {
		t.Errorf("the keys were fetched %d times at the start, want once", n)
	}
	first := logIn(t, provider, "alice")
	authenticated(t, first, "oidc:alice@example.com")

	must(t, provider.Rotate(true))
	second, another := logIn(t, provider, "bob"), logIn(t, provider, "alice")
	t.Run("too soon after the last look it is an error, not a no", func(t *testing.T) {
		fetches(t, provider, 0, func() { undecided(t, second) })
	})
	time.Sleep(time.Until(known.Add(lookAgainAfter)))
	t.Run("a new key beside the old one", func(t *testing.T) {
		fetches(t, provider, 1, func() {
			authenticated(t, second, "oidc:bob@example.com")
			allowed(t, bearing(t), "auth", "whoami", "--token="+second)
			authenticated(t, another, "oidc:alice@example.com")
			authenticated(t, first, "oidc:alice@example.com")
		})
	})
	known = time.Now()

	must(t, provider.Rotate(false))
	third := logIn(t, provider, "bob")
	t.Run("an old key is good until the keys are fetched", func(t *testing.T) {
		fetches(t, provider, 0, func() { authenticated(t, second, "oidc:bob@example.com") })
	})
	time.Sleep(time.Until(known.Add(lookAgainAfter)))
	t.Run("made-up keys cause no storm", func(t *testing.T) {
		fetches(t, provider, 1, func() {
			var asking sync.WaitGroup
			for i := range 30 {
				asking.Go(func() {
					if user, _ := authenticate(t, withKeyID(third, fmt.Sprintf("made-up-%d", i))); user != "" {
						t.Errorf("a key that nobody has vouches for %s", user)
					}
				})
			}
			asking.Wait()
		})
	})
	t.Run("a new key in place of the old ones", func(t *testing.T) {
		fetches(t, provider, 0, func() {
			authenticated(t, third, "oidc:bob@example.com")
			unauthenticated(t, first)
			nobody(t, second)
		})
	})
}

// fetches requires that the keys are fetched so often while do runs, which
// must not log in a user: a client that logs in fetches them too.
func fetches(t *testing.T, provider *oidcprovider.Provider, want int64, do func()) {
	t.Helper()
	before := provider.KeysAsked()
	do()
	if n := provider.KeysAsked() - before; n != want {
		t.Errorf("the keys were fetched %d times, want %d", n, want)
	}
}

// withKeyID is the token with another "kid".
func withKeyID(token, id string) string {
	_, payload, signature := cut(token)
	header := fmt.Sprintf(`{"alg":"RS256","kid":%q}`, id)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "." + signature
}
