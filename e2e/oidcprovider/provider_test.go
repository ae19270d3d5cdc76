package oidcprovider_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/oidcprovider"
)

func start(t *testing.T) *oidcprovider.Provider {
	t.Helper()
	provider, err := oidcprovider.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := provider.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Stop(); err != nil {
			t.Error(err)
		}
	})
	return provider
}

// idToken is what the client got, and verified; read here once more to see what
// is in it.
type idToken struct {
	KeyID         string   `json:"kid"`
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      []string `json:"aud"`
	IssuedAt      int64    `json:"iat"`
	Expiry        int64    `json:"exp"`
	Email         string   `json:"email"`
	EmailVerified bool     `json:"email_verified"`
	Groups        []string `json:"groups"`
}

func logIn(t *testing.T, provider *oidcprovider.Provider, client, username string) idToken {
	t.Helper()
	text, err := provider.IDToken(t.Context(), client, username)
	if err != nil {
		t.Fatal(err)
	}
	var token idToken
	for _, part := range strings.Split(text, ".")[:2] {
		data, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &token); err != nil {
			t.Fatal(err)
		}
	}
	return token
}

func TestIDToken(t *testing.T) {
	provider := start(t)
	provider.SetLifetime(time.Minute)
	for name, test := range map[string]struct {
		client, username string
		verified         bool
		groups           string
	}{
		"alice":                            {oidcprovider.Kubernetes, "alice", true, "team-payments dev"},
		"another client":                   {oidcprovider.Wiki, "bob", true, "team-search"},
		"an email that is not of the user": {oidcprovider.Kubernetes, "carol", false, "team-payments"},
	} {
		t.Run(name, func(t *testing.T) {
			token := logIn(t, provider, test.client, test.username)
			if token.Issuer != provider.Issuer() || token.Subject != "id-"+test.username {
				t.Errorf("iss %q and sub %q", token.Issuer, token.Subject)
			}
			if len(token.Audience) != 1 || token.Audience[0] != test.client {
				t.Errorf("aud %q, want %s alone", token.Audience, test.client)
			}
			if token.Email != test.username+"@example.com" || token.EmailVerified != test.verified {
				t.Errorf("email %q, verified %t", token.Email, token.EmailVerified)
			}
			if got := strings.Join(token.Groups, " "); got != test.groups {
				t.Errorf("groups %q, want %q", got, test.groups)
			}
			if lifetime := token.Expiry - token.IssuedAt; lifetime != 60 {
				t.Errorf("good for %d s, want 60", lifetime)
			}
		})
	}
}

func TestNobodyElseLogsIn(t *testing.T) {
	if _, err := start(t).IDToken(t.Context(), oidcprovider.Kubernetes, "mallory"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("error %v, want a 403", err)
	}
}

func TestRotate(t *testing.T) {
	provider := start(t)
	before := logIn(t, provider, oidcprovider.Kubernetes, "alice")
	for _, keepOld := range []bool{true, false} {
		if err := provider.Rotate(keepOld); err != nil {
			t.Fatal(err)
		}
		// The client verifies it with the keys that are published.
		after := logIn(t, provider, oidcprovider.Kubernetes, "alice")
		if after.KeyID == before.KeyID {
			t.Errorf("still signed with %s", after.KeyID)
		}
		before = after
	}
}

func TestStopAndStart(t *testing.T) {
	provider := start(t)
	before := logIn(t, provider, oidcprovider.Kubernetes, "alice")
	if err := provider.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := provider.IDToken(ctx, oidcprovider.Kubernetes, "alice"); err == nil {
		t.Fatal("one that is stopped gave a token")
	}
	if err := provider.Start(); err != nil {
		t.Fatal(err)
	}
	if after := logIn(t, provider, oidcprovider.Kubernetes, "alice"); after.KeyID != before.KeyID || after.Issuer != before.Issuer {
		t.Errorf("it came back as %s with %s, was %s with %s", after.Issuer, after.KeyID, before.Issuer, before.KeyID)
	}
}

func TestKeysAsked(t *testing.T) {
	provider := start(t)
	logIn(t, provider, oidcprovider.Kubernetes, "alice")
	if asked := provider.KeysAsked(); asked != 1 {
		t.Errorf("the keys were fetched %d times, want once, by the client", asked)
	}
}
