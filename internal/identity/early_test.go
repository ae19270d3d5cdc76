package identity

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
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
				_, err := v.Verify(t.Context(), identitytest.SecretToken)
				if got, ok := errors.AsType[*identity.NotYetValidError](err); !ok || got != early {
					t.Fatalf("got %v, want %v", err, early)
				}
				if test.until > 0 {
					time.Sleep(test.until - 1)
					if _, err := v.Verify(t.Context(), identitytest.SecretToken); !errors.As(err, &early) || source.calls.Load() != 1 {
						t.Errorf("got %v after %d calls, want what is remembered", err, source.calls.Load())
					}
					time.Sleep(time.Nanosecond)
				}
				source.says(accepts)
				if source.asked(t, v, identitytest.SecretToken, nil) != 1 {
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
		_, _ = v.Verify(t.Context(), identitytest.SecretToken)
		source.gen.Add(1)
		source.says(accepts)
		if source.asked(t, v, identitytest.SecretToken, nil) != 1 {
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
		"another has refused it":   {&fixed{err: sources.Refused("expired")}, true, nil},
		"another says so likewise": {&fixed{err: &identity.NotYetValidError{}}, true, nil},
	} {
		for order, asked := range map[string][]sources.Source{"first": {early, test.other}, "last": {test.other, early}} {
			t.Run(name+", "+order, func(t *testing.T) {
				_, _, err := NewChain(sources.NewMetrics(nil), asked...).Verify(t.Context(), sources.ParseToken("token"))
				if sources.IsEarly(err) != test.early || !errors.Is(err, test.is) && test.is != nil || errors.Is(err, identity.ErrUnknownToken) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestPrefixBeatsShape has opaque tokens with two dots.
func TestPrefixBeatsShape(t *testing.T) {
	jwt := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, identitytest.Values{"iss": "a"})
	for _, test := range []struct {
		token  string
		tokens remote.Tokens
		want   bool
	}{
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", remote.Tokens{Prefixes: []string{"glpat-"}}, true},
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", remote.Tokens{}, true},
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", remote.Tokens{Prefixes: []string{"ghs_"}}, false},
		{"glpat-ABCDEFGHIJKLMNOPQRSTUVWXYZ.01.0z11111is", remote.Tokens{Format: remote.TokenFormatJWT}, false},
		{"ghs_1234_" + jwt, remote.Tokens{Prefixes: []string{"ghp_", "ghs_"}}, true},
		{"ghs_1234_" + jwt, remote.Tokens{Format: remote.TokenFormatJWT, Prefixes: []string{"ghs_"}}, true},
		{"ghs_1234_" + jwt, remote.Tokens{Format: remote.TokenFormatAny, Prefixes: []string{"ghs_"}}, true},
		{"ghs_1234_" + jwt, remote.Tokens{}, true},
		{"eyJub3QganNvbg.x.y", remote.Tokens{Prefixes: []string{"eyJ"}}, true},
		{"sk.live.abc", remote.Tokens{Prefixes: []string{"sk."}}, true},
		{"v1.public.abc", remote.Tokens{Prefixes: []string{"v1."}}, true},
		{"idp_abc", remote.Tokens{Format: remote.TokenFormatJWT, Prefixes: []string{"idp_"}}, true},
		{jwt, remote.Tokens{}, false},
		{jwt, remote.Tokens{Prefixes: []string{"eyJ"}}, false},
		{jwt, remote.Tokens{Format: remote.TokenFormatJWT}, true},
		{jwt, remote.Tokens{Format: remote.TokenFormatJWT, Prefixes: []string{"eyJ"}}, true},
	} {
		if got := test.tokens.Applies(sources.ParseToken(test.token)); got != test.want {
			t.Errorf("%.30s with %+v: %v, want %v", test.token, test.tokens, got, test.want)
		}
	}
}
