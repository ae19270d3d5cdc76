package identity

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// TestGooglesIssuers takes what Google's tokens say for the one issuer that it is.
func TestGooglesIssuers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, jwksOf(t, jwkOf("a", rsaA())))
	good := func(issuer string) string {
		claims := values{"iss": issuer, "sub": "1", "aud": "cli", "exp": time.Now().Add(time.Hour).Unix()}
		return jwtOf(t, rsaA(), values{"alg": "RS256", "kid": "a"}, claims)
	}
	for name, issuers := range map[string][]string{
		"the usual spelling": {googleIssuer}, "the short one": {googleIssuerShort}, "both": {googleIssuerShort, googleIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := NewJWT("google", JWTOptions{Issuers: issuers, JWKSFile: path, Leeway: evenLeeway(0)})
			must(t, err)
			must(t, source.Load(t.Context()))
			for _, issuer := range []string{googleIssuer, googleIssuerShort} {
				if got, err := source.Verify(t.Context(), ParseToken(good(issuer))); err != nil || got.Subject != "1" {
					t.Errorf("%s: %v", issuer, err)
				}
			}
			for _, other := range []string{googleIssuer + "/", "http://accounts.google.com", "google.com", "accounts.google.com.example"} {
				if source.Applies(ParseToken(good(other))) {
					t.Errorf("%s passes for Google", other)
				}
			}
		})
	}
	t.Run("another issuer is not Google", func(t *testing.T) {
		source, err := NewJWT("corp", JWTOptions{Issuers: []string{"https://corp.test"}, JWKSFile: path})
		must(t, err)
		if source.Applies(ParseToken(good(googleIssuerShort))) {
			t.Error("it takes Google's tokens")
		}
	})
	t.Run("keys are discovered once, at the URL", func(t *testing.T) {
		source, err := NewJWT("google", JWTOptions{Issuers: []string{googleIssuerShort, googleIssuer}, Client: &http.Client{}})
		must(t, err)
		if len(source.keyrings) != 1 || source.keyrings[0].(*remoteKeys).fetcher.discoveryURL != googleIssuer+discoveryPath {
			t.Errorf("%d keyrings", len(source.keyrings))
		}
	})
}
