package identity

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// TestVerifierRemembersWhatIsNotYetValid holds until when, and that it is no
// longer than that.
func TestVerifierRemembersWhatIsNotYetValid(t *testing.T) {
	for name, test := range map[string]struct {
		from  time.Duration
		fixed bool
		until time.Duration
	}{
		"the token says so, for a minute":     {time.Minute, true, time.Minute},
		"the token says so, for a moment":     {time.Second, true, time.Second},
		"the service says so, for a minute":   {time.Minute, false, 10 * time.Second},
		"the service says so, for a moment":   {time.Second, false, time.Second},
		"the token says so, for a year":       {365 * 24 * time.Hour, true, 365 * 24 * time.Hour},
		"it is valid by the time it is asked": {0, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &told{}
				early := &identity.NotYetValidError{From: time.Now().Add(test.from), Fixed: test.fixed}
				source.says(func(context.Context, string) (identity.Identity, error) {
					return identity.Identity{}, fmt.Errorf("identity source told: %w", early)
				})
				v := newVerifier(source, nil)
				_, err := v.Verify(t.Context(), secretToken)
				if got, ok := errors.AsType[*identity.NotYetValidError](err); !ok || got != early {
					t.Fatalf("got %v, want %v", err, early)
				}
				if test.until > 0 {
					time.Sleep(test.until - 1)
					if _, err := v.Verify(t.Context(), secretToken); !errors.As(err, &early) || source.calls.Load() != 1 {
						t.Errorf("got %v after %d calls, want what is remembered", err, source.calls.Load())
					}
					time.Sleep(time.Nanosecond)
				}
				source.says(accepts)
				if source.asked(t, v, secretToken, nil) != 1 {
					t.Error("it is not asked about when it is valid")
				}
			})
		})
	}
	t.Run("until the keys change", func(t *testing.T) {
		source := &told{}
		source.says(func(context.Context, string) (identity.Identity, error) {
			return identity.Identity{}, &identity.NotYetValidError{From: time.Now().Add(time.Hour), Fixed: true}
		})
		v := newVerifier(source, nil)
		_, _ = v.Verify(t.Context(), secretToken)
		source.gen.Add(1)
		source.says(accepts)
		if source.asked(t, v, secretToken, nil) != 1 {
			t.Error("it is not asked about again")
		}
	})
}

// TestChainAndWhatIsNotYetValid has others know the token, not know it, or fail.
func TestChainAndWhatIsNotYetValid(t *testing.T) {
	early := &fixed{err: &identity.NotYetValidError{From: time.Now().Add(time.Hour)}}
	away := errors.New("away")
	for name, test := range map[string]struct {
		other *fixed
		early bool
		is    error
	}{
		"another knows it":         {&fixed{subject: "alice"}, false, nil},
		"nobody else knows it":     {&fixed{err: identity.ErrUnknownToken}, true, nil},
		"another cannot say so":    {&fixed{err: away}, false, away},
		"another is not loaded":    {&fixed{err: identity.ErrNotLoaded}, false, identity.ErrNotLoaded},
		"another does not see it":  {&fixed{other: true}, true, nil},
		"another has refused it":   {&fixed{err: refused("expired")}, true, nil},
		"another says so likewise": {&fixed{err: &identity.NotYetValidError{}}, true, nil},
	} {
		for order, sources := range map[string][]Source{"first": {early, test.other}, "last": {test.other, early}} {
			t.Run(name+", "+order, func(t *testing.T) {
				_, _, err := NewChain(NewMetrics(nil), sources...).Verify(t.Context(), ParseToken("token"))
				if isEarly(err) != test.early || !errors.Is(err, test.is) && test.is != nil || errors.Is(err, identity.ErrUnknownToken) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestPrefixBeatsShape has opaque tokens with two dots.
func TestPrefixBeatsShape(t *testing.T) {
	jwt := jwtOf(t, rsaA(), values{"alg": "RS256"}, values{"iss": "a"})
	for _, test := range []struct {
		token  string
		tokens Tokens
		want   bool
	}{
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", Tokens{Prefixes: []string{"glpat-"}}, true},
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", Tokens{}, true},
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", Tokens{Prefixes: []string{"ghs_"}}, false},
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", Tokens{Format: TokenFormatJWT}, false},
		{"ghs_1234_" + jwt, Tokens{Prefixes: []string{"ghp_", "ghs_"}}, true},
		{"ghs_1234_" + jwt, Tokens{Format: TokenFormatJWT, Prefixes: []string{"ghs_"}}, true},
		{"ghs_1234_" + jwt, Tokens{Format: TokenFormatAny, Prefixes: []string{"ghs_"}}, true},
		{"ghs_1234_" + jwt, Tokens{}, true},
		{"eyJub3QganNvbg.x.y", Tokens{Prefixes: []string{"eyJ"}}, true},
		{"sk.live.abc", Tokens{Prefixes: []string{"sk."}}, true},
		{"v1.public.abc", Tokens{Prefixes: []string{"v1."}}, true},
		{"idp_abc", Tokens{Format: TokenFormatJWT, Prefixes: []string{"idp_"}}, true},
		{jwt, Tokens{}, false},
		{jwt, Tokens{Prefixes: []string{"eyJ"}}, false},
		{jwt, Tokens{Format: TokenFormatJWT}, true},
		{jwt, Tokens{Format: TokenFormatJWT, Prefixes: []string{"eyJ"}}, true},
	} {
		if got := test.tokens.applies(ParseToken(test.token)); got != test.want {
			t.Errorf("%.30s with %+v: %v, want %v", test.token, test.tokens, got, test.want)
		}
	}
}
