package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy/identity"
)

// logged are the lines of the log whose message begins so.
func (s *service) logged(t *testing.T, message string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(s.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, value := range fields {
			if text, ok := value.(string); ok && strings.HasPrefix(text, message) {
				lines = append(lines, fields)
				break
			}
		}
	}
	return lines
}

// TestRefusalsAreLogged holds that each kind is, with its reason, and that a flood
// of one neither fills the log nor hides another.
func TestRefusalsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fault error
		s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
			o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) { return identity.Identity{}, fault }}
		})
		refuse := func(err error) {
			fault = err
			s.post(t, "/authenticate", tokenReviewBody(t, "v1", secretToken))
		}
		for i := range 1000 {
			refuse(fmt.Errorf("identity source corp: expired at 2030-01-01T00:%02d:00Z, key %q: %w", i%60, fmt.Sprint(i), identity.ErrUnknownToken))
		}
		lines := s.logged(t, "token refused")
		if len(lines) != 5 {
			t.Fatalf("%d lines of a thousand refusals, want 5", len(lines))
		}
		if lines[0]["level"] != "info" || !strings.HasPrefix(lines[0]["reason"].(string), `identity source corp: expired at 2030-01-01T00:00:00Z, key "0"`) {
			t.Errorf("logged %v", lines[0])
		}
		refuse(fmt.Errorf("identity source corp: aud: names no audience: %w", identity.ErrUnknownToken))
		refuse(fmt.Errorf("identity source other: expired at 2030-01-01T00:00:00Z, key %q: %w", "a", identity.ErrUnknownToken))
		refuse(identity.ErrUnknownToken)
		refuse(&identity.NotYetValidError{From: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)})
		if got := len(s.logged(t, "token refused")); got != 9 {
			t.Errorf("%d lines, want one for each other kind", got-5)
		}
		if got := len(s.logged(t, "token refused: it is not valid yet")); got != 1 {
			t.Errorf("%d lines of a token that is not valid yet", got)
		}
		time.Sleep(11 * time.Second)
		refuse(fmt.Errorf("identity source corp: expired at 2031-01-01T00:00:00Z, key %q: %w", "b", identity.ErrUnknownToken))
		lines = s.logged(t, "token refused")
		if got := lines[len(lines)-1]["suppressed"]; got != 995.0 {
			t.Errorf("%v are said to be suppressed, want 995", got)
		}
		if strings.Contains(s.log.String(), secretToken) {
			t.Error("the token is in the log")
		}
	})
}

// TestRefusalKindsAreBounded makes up reasons that differ in more than numbers.
func TestRefusalKindsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fault error
		s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
			o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) { return identity.Identity{}, fault }}
		})
		for i := range 2000 {
			fault = errors.Join(errors.New(strings.Repeat("a", i/100)+strings.Repeat("b", i%100)), identity.ErrUnknownToken)
			s.post(t, "/authenticate", tokenReviewBody(t, "v1", secretToken))
		}
		if got := len(s.logged(t, "token refused")); got < 256 || got > 256+5 {
			t.Errorf("%d lines, want one for each of 256 kinds, and a few for the rest", got)
		}
	})
}

func TestAskedAudiencesInTheLog(t *testing.T) {
	limited := aliceIdentity()
	limited.Audiences = []string{"vault"}
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln"
	asked := []string{"https://kubernetes.default.svc", "api", "client-7", jwt, "https://a.example/" + jwt, "https://user:secret@a.example", "https://a.example/?t=secret"}
	s := newService(t, []string{claimsPolicy}, knowing(secretToken, limited), func(o *handlers.Options) { o.Audiences = []string{"api"} })
	s.post(t, "/authenticate", tokenReviewBody(t, "v1", secretToken, asked...))
	lines := s.logged(t, "token refused: it is not good for the audiences asked for")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), s.log)
	}
	want := "[https://kubernetes.default.svc api [not shown] [not shown] [not shown] [not shown] [not shown]]"
	if got := fmt.Sprint(lines[0]["asked"]); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestTooLargeIsLogged(t *testing.T) {
	s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) { o.ReviewBytes = 100 })
	for _, path := range []string{"/authenticate", "/authorize"} {
		s.post(t, path, tokenReviewBody(t, "v1", secretToken, "api"))
	}
	lines := s.logged(t, "a request is larger than server.limits allows")
	if len(lines) != 2 || lines[0]["point"] != "authentication" || lines[1]["point"] != "authorization" || lines[0]["announcedBytes"].(float64) <= 100 {
		t.Errorf("logged %v", lines)
	}
}
