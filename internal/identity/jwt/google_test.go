package jwt

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// TestGooglesIssuers takes what Google's tokens say for the one issuer that it is.
func TestGooglesIssuers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	identitytest.Write(t, path, identitytest.JWKSOf(t, identitytest.JWKOf("a", identitytest.RsaA())))
	good := func(issuer string) string {
		claims := identitytest.Values{"iss": issuer, "sub": "1", "aud": "cli", "exp": time.Now().Add(time.Hour).Unix()}
		return identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, claims)
	}
	for name, issuers := range map[string][]string{
		"the usual spelling": {googleIssuer}, "the short one": {googleIssuerShort}, "both": {googleIssuerShort, googleIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := New("google", Options{Issuers: issuers, JWKSFile: path, Leeway: evenLeeway(0)})
			identitytest.Must(t, err)
			identitytest.Must(t, source.Load(t.Context()))
			for _, issuer := range []string{googleIssuer, googleIssuerShort} {
				if got, err := source.Verify(t.Context(), sources.ParseToken(good(issuer))); err != nil || got.Subject != "1" {
					t.Errorf("%s: %v", issuer, err)
				}
			}
			for _, other := range []string{googleIssuer + "/", "http://accounts.google.com", "google.com", "accounts.google.com.example"} {
				if source.Applies(sources.ParseToken(good(other))) {
					t.Errorf("%s passes for Google", other)
				}
			}
		})
	}
	t.Run("another issuer is not Google", func(t *testing.T) {
		source, err := New("corp", Options{Issuers: []string{"https://corp.test"}, JWKSFile: path})
		identitytest.Must(t, err)
		if source.Applies(sources.ParseToken(good(googleIssuerShort))) {
			t.Error("it takes Google's tokens")
		}
	})
	t.Run("keys are discovered once, at the URL", func(t *testing.T) {
		source, err := New("google", Options{Issuers: []string{googleIssuerShort, googleIssuer}, Client: &http.Client{}})
		identitytest.Must(t, err)
		if len(source.keyrings) != 1 || source.keyrings[0].(*remoteKeys).fetcher.discoveryURL != googleIssuer+discoveryPath {
			t.Errorf("%d keyrings", len(source.keyrings))
		}
	})
}
