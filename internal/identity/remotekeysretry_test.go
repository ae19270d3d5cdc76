package identity

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// A token made an issuer be asked while it was down: it is asked again soon, not
// only when the next such token comes or the keys run out.
func TestJWTRetriesWhatATokenBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory("https://corp.test", jwkOf("a", rsaA()))
		source := loaded(t, issuer.newJWT(t, nil))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go source.Run(ctx)
		synctest.Wait()

		time.Sleep(lookAgainAfter)
		issuer.publish(jwkOf("b", rsaB()))
		issuer.answer(http.StatusServiceUnavailable)
		token := ParseToken(jwtOf(t, rsaB(), values{"alg": "RS256", "kid": "b"}, issuer.claims(time.Now(), nil)))
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
