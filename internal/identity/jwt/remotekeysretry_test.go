package jwt

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// A token made an issuer be asked while it was down: it is asked again soon, not
// only when the next such token comes or the keys run out.
func TestJWTRetriesWhatATokenBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory("https://corp.test", identitytest.JWKOf("a", identitytest.RsaA()))
		source := loaded(t, issuer.newJWT(t, nil))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go source.Run(ctx)
		synctest.Wait()

		time.Sleep(lookAgainAfter)
		issuer.publish(identitytest.JWKOf("b", identitytest.RsaB()))
		issuer.answer(http.StatusServiceUnavailable)
		token := sources.ParseToken(identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "b"}, issuer.claims(time.Now(), nil)))
		if _, err := source.Verify(t.Context(), token); err == nil || errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("got %v, want a fault", err)
		}
		issuer.answer(0)
		time.Sleep(2 * firstRetry)
		if _, err := source.Verify(t.Context(), token); err != nil {
			t.Errorf("%s after it is up: %v", 2*firstRetry, err)
		}
	})
}
