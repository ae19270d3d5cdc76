package jwt

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	identities "github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// serviceAccountClaims are those of a token that a kubelet gets for a pod.
func serviceAccountClaims(issuer string, now time.Time) identitytest.Values {
	return identitytest.Values{
		"aud": []string{"https://kubernetes.default.svc.cluster.local"},
		"exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
		"iss": issuer, "jti": "5f2b1c60-3c57-4f0e-8b1e-6f9d8a0b7c11",
		"kubernetes.io": identitytest.Values{
			"namespace": "payments",
			"node":      identitytest.Values{"name": "worker-17", "uid": "3d7f0d2e-61c5-4a55-9c0e-0f3f7e5c9a21"},
			"pod":       identitytest.Values{"name": "checkout-6c9f7d5b8-x2x7k", "uid": "b7d9e8c2-0a47-4f1b-8f53-2c7f7a0d9e10"},
			"serviceaccount": identitytest.Values{
				"name": "checkout", "uid": "0b1f5a3e-74f2-4f7e-a3cf-92f1b6a4d5c8",
			},
			"warnafter": now.Add(50 * time.Minute).Unix(),
		},
		"sub": "system:serviceaccount:payments:checkout",
	}
}

// BenchmarkJWTVerifyRS256 verifies one token again and again, nothing of it
// kept. The metric x-bare is how many times as long that takes as the bare
// signature over the same bytes, of the quickest out of many turns by turns, so
// that what else the machine does hardly shows.
func BenchmarkJWTVerifyRS256(b *testing.B) {
	issuer := newIssuerInMemory("https://kubernetes.default.svc.cluster.local", identitytest.JWKOf("7a1c0f2e", identitytest.RsaA()))
	source := issuer.newJWT(b, nil)
	if err := source.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	text := identitytest.JWTOf(b, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "7a1c0f2e"}, serviceAccountClaims(issuer.url, time.Now()))
	input := []byte(text[:strings.LastIndexByte(text, '.')])
	signature := identitytest.SignatureOf(b, identitytest.RsaA(), "RS256", input)
	verifier := identities.NewVerifier(identities.NewChain(sources.NewMetrics(nil), source), identities.VerifierOptions{MaxVerifications: 1, Timeout: time.Minute})

	bare := func() error {
		digest := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(&identitytest.RsaA().PublicKey, crypto.SHA256, digest[:], signature)
	}
	for name, verify := range map[string]func() error{
		"bare": bare,
		"source": func() error {
			_, err := source.Verify(b.Context(), sources.ParseToken(text))
			return err
		},
		"verifier": func() error {
			_, err := verifier.Verify(b.Context(), text)
			return err
		},
		"parse": func() error {
			if jwtIn(sources.ParseToken(text)) == nil {
				return errors.New("not parsed")
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			quickest, quickestBare := time.Hour, time.Hour
			for b.Loop() {
				quickestBare = min(quickestBare, turn(b, bare))
				quickest = min(quickest, turn(b, verify))
			}
			b.ReportMetric(float64(quickest)/float64(quickestBare), "x-bare")
			b.ReportMetric(float64(quickest)/turns, "ns/verify")
		})
	}
}

const turns = 10

// turn is how long something takes, done a few times.
func turn(b *testing.B, verify func() error) time.Duration {
	began := time.Now()
	for range turns {
		if err := verify(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}
