package identity

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/cache/cachetest"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// TestFloodsStayWithinTheBudget fills the caches of a verifier with the largest that
// tokens can make.
func TestFloodsStayWithinTheBudget(t *testing.T) {
	budget := cache.Budget{Bytes: 128 << 20, Entries: 200_000}
	claims := func(text string) func(context.Context, string) (identity.Identity, error) {
		return func(_ context.Context, token string) (identity.Identity, error) {
			made := identity.NewClaims(fmt.Sprintf(`{"sub":%q,"a":%s}`, token, text))
			return identity.Identity{Source: "told", Subject: token, Claims: made}, nil
		}
	}
	list := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	part := func(ctx context.Context, token string) (identity.Identity, error) {
		whole, err := claims(`{"b":"c"}`)(ctx, token+strings.Repeat("x", 1_000))
		if err == nil {
			text := []byte(whole.Claims.Text())
			whole.Claims = identity.NewClaims(string(text[bytes.Index(text, []byte(`{"b"`)) : len(text)-1]))
		}
		return identity.Identity{Source: "told", Subject: "s", Claims: whole.Claims}, err
	}
	later := func(_ context.Context, token string) (identity.Identity, error) {
		made := identity.NewClaims(fmt.Sprintf(`{"sub":%q,"a":%s}`, token, list("1", 2000)))
		// A policy looks at it.
		var err error
		made.Decoded(func(text string) any {
			var decoded any
			decoded, err = document.DecodeObject(text)
			return decoded
		})
		return identity.Identity{Source: "told", Subject: token, Claims: made}, err
	}
	for name, test := range map[string]struct {
		cache  cache.Name
		answer func(context.Context, string) (identity.Identity, error)
		tokens int
	}{
		"identities, small":               {cache.Identities, accepts, 30_000},
		"identities, many numbers":        {cache.Identities, claims(list("1", 1000)), 400},
		"identities, many strings":        {cache.Identities, claims(list(`"a group of somebody"`, 300)), 1_000},
		"identities, nested":              {cache.Identities, claims(list(`{"a":{"b":1}}`, 100)), 1_000},
		"identities, decoded later":       {cache.Identities, later, 300},
		"identities, a part of an answer": {cache.Identities, part, 14_000},
		"rejectedTokens": {cache.RejectedTokens, func(_ context.Context, token string) (identity.Identity, error) {
			return identity.Identity{}, fmt.Errorf("%w: %s", identity.ErrUnknownToken, strings.Repeat("y", 300)+base64.StdEncoding.EncodeToString([]byte(token)))
		}, 6_000},
	} {
		t.Run(name, func(t *testing.T) {
			source := &told{}
			source.says(test.answer)
			v := newVerifier(source, func(o *VerifierOptions) { o.Budget, o.TTL, o.RejectedTTL = budget, time.Hour, time.Hour })
			_, _ = v.Verify(t.Context(), "the first")
			cachetest.Flood(t, budget, 0.8, v.CacheStats(), test.cache, func() any {
				for i := range test.tokens {
					if _, err := v.Verify(t.Context(), fmt.Sprint("token-", i)); err != nil && !errors.Is(err, identity.ErrUnknownToken) {
						t.Fatal(err)
					}
				}
				return v
			})
		})
	}
}
