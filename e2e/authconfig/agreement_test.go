package authconfig

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/apiserver/pkg/apis/apiserver"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

var (
	agreements = flag.Int("agreements", 120, "how many random tokens TestAgreement asks about, of each issuer")
	seed       = flag.Uint64("agreements.seed", 1, "where they begin")
)

// agreed are authenticators that use each form of mapping and much of CEL.
var agreed = []string{
	`{"claimMappings": {"username": {"claim": "email", "prefix": "p:"}, "groups": {"claim": "groups", "prefix": "g:"}, "uid": {"claim": "sub"}}}`,
	`{"claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"expression": "claims.groups"}, "uid": {"expression": "claims.?uid.orValue('none')"},
	  "extra": [{"key": "a.b/c", "valueExpression": "claims.?extra.orValue('')"}, {"key": "a.b/d", "valueExpression": "has(claims.extra) ? claims.extra : null"}]}}`,
	`{"claimMappings": {"username": {"expression": "claims.email_verified ? claims.email : 'sub:' + claims.sub"},
	  "groups": {"expression": "dyn(claims.groups).filter(g, g.startsWith('a')).map(g, g.upperAscii())"}},
	  "claimValidationRules": [{"expression": "claims.exp - claims.iat <= 3600 || claims.hd == 'example.com'"}, {"claim": "hd", "requiredValue": "example.com"}],
	  "userValidationRules": [{"expression": "user.groups.all(g, g != 'AB') && !('x' in user.extra)"}]}`,
	`{"claimMappings": {"username": {"expression": "claims.kubernetes__dot__io.namespace + ':' + string(int(claims.number))"},
	  "uid": {"expression": "claims['kubernetes.io'].?uid.orValue(claims.sub)"},
	  "groups": {"expression": "type(claims.groups) == list ? claims.groups : string(claims.groups).split(',').map(g, g)"},
	  "extra": [{"key": "a.b/c", "valueExpression": "string(claims.number)"}]},
	  "userValidationRules": [{"expression": "user.uid != '' && user.extra[?'authentication.kubernetes.io/credential-id'][0].orValue('') != 'JTI=bad'"}]}`,
	`{"claimMappings": {"username": {"expression": "claims.sub"}},
	  "claimValidationRules": [
	  {"expression": "!has(claims.groups) || (type(claims.groups) == string ? claims.groups != 'x' : dyn(claims.groups).exists_one(g, g == 'ab'))"},
	  {"expression": "claims.?number.orValue(0) < 5 && (claims.hd in ['example.com', ''] || claims.email.matches('^[a-z]+@'))"},
	  {"expression": "sets.intersects(claims.aud, ['kubernetes'])"}]}`,
	// A list that split gives is none that kube-apiserver takes, unless it is made another.
	`{"claimMappings": {"username": {"expression": "claims.sub"},
	  "groups": {"expression": "claims.groups == 'ab' ? ['a'] : string(claims.groups).split(',')"},
	  "extra": [{"key": "a.b/c", "valueExpression": "string(claims.sub).split(',') + ['x']"}]}}`,
}

// TestAgreement asks kube-apiserver's own authenticator and a server with what was
// imported about the same random tokens.
func TestAgreement(t *testing.T) {
	program := verdict(t.Context(), t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	must(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	must(t, err)
	const issuer = "https://issuer.example.net"
	for i, text := range agreed {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			world := startIssuers(t, "", string(keys))
			var v1 apiserverv1.JWTAuthenticator
			must(t, json.Unmarshal([]byte(text), &v1))
			v1.Issuer = apiserverv1.Issuer{URL: issuer, Audiences: []string{"kubernetes"}}
			var internal apiserver.JWTAuthenticator
			must(t, apiserverv1.Convert_v1_JWTAuthenticator_To_apiserver_JWTAuthenticator(&v1, &internal, nil))
			reference, err := oidc.New(t.Context(), oidc.Options{JWTAuthenticator: internal, KeySet: keySet{&key.PublicKey}})
			must(t, err)

			v1.Issuer.CertificateAuthority = world.authority
			configuration, err := json.Marshal(map[string]any{
				"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []any{v1},
			})
			must(t, err)
			dir, refusal := imported(t, program, string(configuration))
			if refusal != "" {
				t.Fatal(refusal)
			}
			s := serve(t, program, dir, world.proxy.URL)
			random := mathrand.New(mathrand.NewPCG(*seed, uint64(i)))
			users := 0
			for range *agreements {
				claims := randomClaims(random, issuer)
				signed, err := signer.Sign(claims)
				must(t, err)
				token, err := signed.CompactSerialize()
				must(t, err)
				want := "refused"
				answer, ok, why := reference.AuthenticateToken(t.Context(), token)
				if ok && answer.User.GetName() != "" {
					users++
					want = described(answer.User.GetName(), answer.User.GetUID(), slices.Compact(slices.Sorted(slices.Values(answer.User.GetGroups()))), answer.User.GetExtra())
				}
				got := "refused"
				if status := s.review(t, token); status.Authenticated {
					extra := map[string][]string{}
					for key, values := range status.User.Extra {
						extra[key] = values
					}
					got = described(status.User.Username, status.User.UID, status.User.Groups, extra)
				}
				if got != want {
					t.Fatalf("%s\nverdict: %s\nkube-apiserver: %s (%v)\n%s", claims, got, want, why, s.refusals(t))
				}
			}
			t.Logf("%d of %d were let in", users, *agreements)
			if users*20 < *agreements {
				t.Errorf("only %d of %d were let in", users, *agreements)
			}
		})
	}
}

// keySet verifies with one key.
type keySet struct{ key *rsa.PublicKey }

func (s keySet) VerifySignature(_ context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	return signed.Verify(s.key)
}

// randomClaims are those of a sound token, of which some are odd now and then.
func randomClaims(r *mathrand.Rand, issuer string) []byte {
	now := time.Now().Unix()
	claims := map[string]any{"iss": issuer, "aud": []string{"kubernetes"}, "exp": now + 1800, "iat": now}
	odd := func() any {
		return []any{nil, true, false, "", "x", "true", 0, 1, -1, 1.5, 12345678, []any{}, []any{"a", 7}, []any{"a", nil, ""}, map[string]any{}, map[string]any{"a": "b"}}[r.IntN(16)]
	}
	for name, usual := range map[string][]any{
		"sub":            {"1", "alice"},
		"email":          {"alice@example.com", "bob@example.com"},
		"email_verified": {true, true, false},
		"groups":         {"ab", []any{"ab", "ac"}, []any{"ab", "b"}, "ab,x", []any{}},
		"uid":            {"u"},
		"extra":          {"e", []any{"e", "f"}},
		"hd":             {"example.com"},
		"number":         {1, 4, 1000000, 1700081020},
		"jti":            {"good", "bad"},
		"kubernetes.io":  {map[string]any{"namespace": "n"}, map[string]any{"namespace": "n", "uid": "k"}},
	} {
		switch n := r.IntN(12); {
		case n == 0:
			claims[name] = odd()
		case n > 1:
			claims[name] = usual[r.IntN(len(usual))]
		}
	}
	if r.IntN(8) == 0 {
		claims["iat"] = now - 7200
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return text
}
