package jwt

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// signers are a key for each algorithm.
func signers() map[string]any {
	return map[string]any{
		"RS256": identitytest.RsaA(), "RS384": identitytest.RsaA(), "RS512": identitytest.RsaA(), "PS256": identitytest.RsaA(), "PS384": identitytest.RsaA(), "PS512": identitytest.RsaA(),
		"ES256": identitytest.P256A(), "ES384": identitytest.P384A(), "ES512": identitytest.P521A(), "EdDSA": identitytest.Ed25519A(),
	}
}

func keyIDs() map[string]string {
	return map[string]string{
		"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
		"ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed",
	}
}

// refusing fails unless the token is refused for good, with a reason that holds
// part and nothing of the token.
func refusing(t *testing.T, source *Source, token, part string) {
	t.Helper()
	got, err := source.Verify(t.Context(), sources.ParseToken(token))
	if !errors.Is(err, identity.ErrUnknownToken) || !reflect.DeepEqual(got, identity.Identity{}) {
		t.Errorf("got %+v, %v, want %v", got, err, identity.ErrUnknownToken)
		return
	}
	if !strings.Contains(err.Error(), part) {
		t.Errorf("refused with %q, want %q in it", err, part)
	}
	hidesToken(t, err, token)
}

func hidesToken(t *testing.T, err error, token string) {
	t.Helper()
	for _, segment := range append(strings.Split(token, "."), token) {
		if len(segment) > 16 && strings.Contains(err.Error(), segment) {
			t.Errorf("part of the token is in %q", err)
		}
	}
}

func loaded(t *testing.T, source *Source) *Source {
	t.Helper()
	identitytest.Must(t, source.Load(t.Context()))
	return source
}

func TestJWTAlgorithms(t *testing.T) {
	issuer := newIssuer(t, identitytest.AllKeys()...)
	now := time.Now()
	for algorithm, key := range signers() {
		token := identitytest.JWTOf(t, key, identitytest.Values{"alg": algorithm, "kid": keyIDs()[algorithm], "typ": "JWT"}, issuer.claims(now, nil))
		withoutID := identitytest.JWTOf(t, key, identitytest.Values{"alg": algorithm}, issuer.claims(now, nil))
		t.Run(algorithm, func(t *testing.T) {
			for _, accepted := range [][]string{nil, {algorithm}} {
				source := loaded(t, issuer.newJWT(t, func(o *Options) { o.Algorithms = accepted }))
				for _, token := range []string{token, withoutID} {
					got, err := source.Verify(t.Context(), sources.ParseToken(token))
					if err != nil || got.Subject != "alice" {
						t.Errorf("with %q: got %+v, %v", accepted, got, err)
					}
				}
			}
		})
		t.Run(algorithm+" is not listed", func(t *testing.T) {
			var others []string
			for other := range signers() {
				if other != algorithm {
					others = append(others, other)
				}
			}
			source := loaded(t, issuer.newJWT(t, func(o *Options) { o.Algorithms = others }))
			refusing(t, source, token, "alg is not an accepted one")
		})
		t.Run(algorithm+" with another signature", func(t *testing.T) {
			source := loaded(t, issuer.newJWT(t, nil))
			at := strings.LastIndexByte(token, '.') + 1
			signature, err := base64.RawURLEncoding.DecodeString(token[at:])
			identitytest.Must(t, err)
			for name, change := range map[string][]byte{
				"a bit":     append(signature[:len(signature)-1:len(signature)-1], signature[len(signature)-1]^1),
				"longer":    append(slices.Clip(signature), 0),
				"shorter":   signature[:len(signature)-1],
				"zeros":     make([]byte, len(signature)),
				"one byte":  {1},
				"a prefix":  append([]byte{0}, signature...),
				"of others": identitytest.SignatureOf(t, key, algorithm, []byte("something else")),
			} {
				t.Run(name, func(t *testing.T) {
					refusing(t, source, token[:at]+identitytest.B64(change), "not signed with the key")
				})
			}
		})
	}
}

func TestJWTIdentity(t *testing.T) {
	issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
	now := time.Now().Truncate(time.Second)
	tests := map[string]struct {
		change func(*Options)
		claims identitytest.Values
		want   identity.Identity
	}{
		"audiences of its own": {
			claims: identitytest.Values{"aud": []string{"a", "b"}},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"a", "b"}},
		},
		"an accepted audience": {
			change: func(o *Options) { o.Audiences = []string{"x", "b"} },
			claims: identitytest.Values{"aud": []string{"a", "b"}},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"a", "b"}, AudiencesAccepted: true},
		},
		"one accepted audience, not in a list": {
			change: func(o *Options) { o.Audiences = []string{"api"} },
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}, AudiencesAccepted: true},
		},
		"another subject": {
			change: func(o *Options) { o.SubjectClaim = "email" },
			claims: identitytest.Values{"email": "alice@example.com"},
			want:   identity.Identity{Subject: "alice@example.com", Audiences: []string{"api"}},
		},
		"required claims": {
			change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": "example.com", "tenant": "t"} },
			claims: identitytest.Values{"hd": "example.com", "tenant": "t"},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}},
		},
		"groups as a string": {
			claims: identitytest.Values{"groups": "dev"},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}},
		},
		"groups as a list": {
			claims: identitytest.Values{"groups": []any{"dev", "ops", 7, nil}},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}},
		},
		"groups nested": {
			claims: identitytest.Values{"realm_access": identitytest.Values{"roles": []any{"dev"}, "deeper": identitytest.Values{"groups": []any{[]any{"x"}}}}},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}},
		},
		"names beyond ASCII": {
			claims: identitytest.Values{"sub": "żółć 日本", "grüppe": "ü"},
			want:   identity.Identity{Subject: "żółć 日本", Audiences: []string{"api"}},
		},
		"without iat and nbf": {
			claims: identitytest.Values{"iat": nil, "nbf": nil},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}},
		},
		"nbf is 0": {
			claims: identitytest.Values{"nbf": 0},
			want:   identity.Identity{Subject: "alice", Audiences: []string{"api"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			source := loaded(t, issuer.newJWT(t, test.change))
			all := issuer.claims(now, test.claims)
			got, err := source.Verify(t.Context(), sources.ParseToken(identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, all)))
			identitytest.Must(t, err)
			if !identitytest.SameClaims(t, got.Claims, identitytest.Claims(t, all)) {
				t.Error("the claims are not those of the token")
			}
			test.want.Source, test.want.Type, test.want.Expires = "corp", "jwt", now.Add(time.Hour).UTC()
			got.Claims = identity.Claims{}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestJWTClaimsRefused(t *testing.T) {
	issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
	now := time.Now().Truncate(time.Second)
	clock := func(o *Options) { o.Now = func() time.Time { return now } }
	at := func(d time.Duration) any { return now.Add(d).Unix() }
	cognito := func(o *Options) { o.AudienceClaim, o.Audiences = "client_id", []string{"cli"} }
	anyAudience := func(o *Options) { o.AudienceOptional, o.Audiences = true, []string{"api"} }
	apiserver := func(o *Options) { o.Leeway = sources.Leeway{NotBefore: time.Minute} }
	tests := map[string]struct {
		change func(*Options)
		claims identitytest.Values
		reason string        // "" when it is accepted
		early  time.Duration // until it is valid
	}{
		"expired less than the leeway ago":    {claims: identitytest.Values{"exp": at(-9 * time.Second)}},
		"expired the leeway ago":              {claims: identitytest.Values{"exp": at(-10 * time.Second)}, reason: "expired at "},
		"expired, by a fraction":              {claims: identitytest.Values{"exp": float64(now.Unix()) - 9.5}},
		"expired, by more than a fraction":    {claims: identitytest.Values{"exp": float64(now.Unix()) - 10.5}, reason: "expired at "},
		"no exp":                              {claims: identitytest.Values{"exp": nil}, reason: "exp: does not say"},
		"exp is a string":                     {claims: identitytest.Values{"exp": "4102444800"}, reason: "exp: must be a number"},
		"exp is a list":                       {claims: identitytest.Values{"exp": []any{1}}, reason: "exp: must be a number"},
		"exp is true":                         {claims: identitytest.Values{"exp": true}, reason: "exp: must be a number"},
		"exp is huge":                         {claims: identitytest.Values{"exp": 1e300}, reason: "exp: is out of range"},
		"exp is negative":                     {claims: identitytest.Values{"exp": -1}, reason: "exp: is out of range"},
		"exp is 0":                            {claims: identitytest.Values{"exp": 0}, reason: "expired at 1970"},
		"exp in milliseconds":                 {claims: identitytest.Values{"exp": now.UnixMilli() * 1000}, reason: "exp: is out of range"},
		"nbf within the leeway":               {claims: identitytest.Values{"nbf": at(10 * time.Second)}},
		"nbf beyond the leeway":               {claims: identitytest.Values{"nbf": at(11 * time.Second)}, early: time.Second},
		"nbf beyond the leeway, expired":      {claims: identitytest.Values{"nbf": at(11 * time.Second), "exp": at(-time.Minute)}, reason: "expired at "},
		"nbf within apiserver's leeway":       {change: apiserver, claims: identitytest.Values{"nbf": at(time.Minute)}},
		"nbf beyond apiserver's leeway":       {change: apiserver, claims: identitytest.Values{"nbf": at(72 * time.Second)}, early: 12 * time.Second},
		"expired, by apiserver's leeway":      {change: apiserver, claims: identitytest.Values{"exp": at(0)}, reason: "expired at "},
		"iat as apiserver reads it":           {change: apiserver, claims: identitytest.Values{"iat": at(time.Hour)}},
		"iat of another type, as apiserver":   {change: apiserver, claims: identitytest.Values{"iat": "noon"}, reason: "iat: must be a number"},
		"nbf is a string":                     {claims: identitytest.Values{"nbf": "0"}, reason: "nbf: must be a number"},
		"nbf is huge":                         {claims: identitytest.Values{"nbf": 1e300}, reason: "nbf: is out of range"},
		"iat within the leeway":               {claims: identitytest.Values{"iat": at(10 * time.Second)}},
		"iat beyond the leeway":               {claims: identitytest.Values{"iat": at(11 * time.Second)}, early: time.Second},
		"iat is an object":                    {claims: identitytest.Values{"iat": identitytest.Values{}}, reason: "iat: must be a number"},
		"no audience":                         {claims: identitytest.Values{"aud": nil}, reason: "aud: names no audience"},
		"no audience in a list":               {claims: identitytest.Values{"aud": []any{}}, reason: "aud: names no audience"},
		"an empty audience":                   {claims: identitytest.Values{"aud": []any{"api", ""}}, reason: "aud: has an empty audience"},
		"an audience that is a number":        {claims: identitytest.Values{"aud": []any{"api", 1}}, reason: "aud[1]: must be a string"},
		"audiences in an object":              {claims: identitytest.Values{"aud": identitytest.Values{"api": true}}, reason: "aud: must be a string or a list"},
		"other audiences":                     {change: func(o *Options) { o.Audiences = []string{"x"} }, claims: identitytest.Values{"aud": []any{"a\nb", "API", "c", "d"}}, reason: `is for "a\nb", "API", "c" and 1 more`},
		"no audience, some wanted":            {change: func(o *Options) { o.Audiences = []string{"x"} }, claims: identitytest.Values{"aud": nil}, reason: "aud: names no audience"},
		"a long audience":                     {change: func(o *Options) { o.Audiences = []string{"x"} }, claims: identitytest.Values{"aud": strings.Repeat("é", 100)}, reason: strings.Repeat(`\u00e9`, 32) + `"…`},
		"no subject":                          {claims: identitytest.Values{"sub": nil}, reason: "sub: there is no subject"},
		"an empty subject":                    {claims: identitytest.Values{"sub": ""}, reason: "sub: there is no subject"},
		"a subject that is a number":          {claims: identitytest.Values{"sub": 7}, reason: "sub: must be a string"},
		"no such subject claim":               {change: func(o *Options) { o.SubjectClaim = "email" }, reason: "email: there is no subject"},
		"a required claim is missing":         {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": "a"} }, reason: "hd: is not what is required"},
		"a required claim is another":         {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": "a"} }, claims: identitytest.Values{"hd": "A"}, reason: "hd: is not what is required"},
		"a required claim is in a list":       {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": "a"} }, claims: identitytest.Values{"hd": []any{"a"}}, reason: "hd: must be a string"},
		"an empty required claim is missing":  {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": ""} }, reason: "hd: is not what is required"},
		"an empty required claim is null":     {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": ""} }, claims: identitytest.Values{"hd": nil}, reason: "hd: is not what is required"},
		"an empty required claim is a list":   {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": ""} }, claims: identitytest.Values{"hd": []any{}}, reason: "hd: must be a string"},
		"an empty required claim is false":    {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": ""} }, claims: identitytest.Values{"hd": false}, reason: "hd: must be a string"},
		"an empty required claim is there":    {change: func(o *Options) { o.RequiredClaims = map[string]string{"hd": ""} }, claims: identitytest.Values{"hd": ""}},
		"an empty required sub is missing":    {change: func(o *Options) { o.RequiredClaims = map[string]string{"sub": ""}; o.SubjectOptional = true }, claims: identitytest.Values{"sub": nil}, reason: "sub: is not what is required"},
		"no subject, where none is needed":    {change: func(o *Options) { o.SubjectOptional = true }, claims: identitytest.Values{"sub": nil}},
		"a subject of another type":           {change: func(o *Options) { o.SubjectOptional = true }, claims: identitytest.Values{"sub": []any{"alice"}}, reason: "sub: must be a string"},
		"no email, where none is needed":      {change: func(o *Options) { o.SubjectOptional, o.SubjectClaim = true, "email" }},
		"an audience in another claim":        {change: cognito, claims: identitytest.Values{"aud": nil, "client_id": "cli"}},
		"another audience in that claim":      {change: cognito, claims: identitytest.Values{"aud": "cli", "client_id": "other"}, reason: `client_id: is for "other", not for`},
		"an audience in aud instead":          {change: cognito, claims: identitytest.Values{"aud": "cli"}, reason: "client_id: names no audience"},
		"a list in that claim":                {change: cognito, claims: identitytest.Values{"client_id": []any{"x", "cli"}}},
		"a number in that claim":              {change: cognito, claims: identitytest.Values{"client_id": 7}, reason: "client_id: must be a string or a list"},
		"no audience, where none is needed":   {change: anyAudience, claims: identitytest.Values{"aud": nil}},
		"another, where none is needed":       {change: anyAudience, claims: identitytest.Values{"aud": "other"}, reason: `aud: is for "other"`},
		"an empty list, where none is needed": {change: anyAudience, claims: identitytest.Values{"aud": []any{}}, reason: "aud: names no audience"},
		"the first required is not the bad":   {change: func(o *Options) { o.RequiredClaims = map[string]string{"a": "1", "b": "2"} }, claims: identitytest.Values{"a": "1", "b": "1"}, reason: "b: is not what is required"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			source := loaded(t, issuer.newJWT(t, func(o *Options) {
				clock(o)
				if test.change != nil {
					test.change(o)
				}
			}))
			token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(now, test.claims))
			if test.reason != "" {
				refusing(t, source, token, test.reason)
				return
			}
			if test.early != 0 {
				_, err := source.Verify(t.Context(), sources.ParseToken(token))
				early, ok := errors.AsType[*identity.NotYetValidError](err)
				if !ok || !early.From.Equal(now.Add(test.early)) || !early.Fixed || errors.Is(err, identity.ErrUnknownToken) {
					t.Errorf("got %v, want one that is valid in %s", err, test.early)
				}
				forged := identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(now, test.claims))
				refusing(t, source, forged, "not signed with the key")
				return
			}
			if _, err := source.Verify(t.Context(), sources.ParseToken(token)); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestJWTHeaderRefused(t *testing.T) {
	var attacked atomic.Int32
	attacker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { attacked.Add(1) }))
	defer attacker.Close()
	issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()), identitytest.JWKOf("p", identitytest.P256A()))
	source := loaded(t, issuer.newJWT(t, nil))
	// The keys were fetched since, so that a key that is missing does not exist.
	all := issuer.claims(time.Now().Add(-time.Minute), nil)
	der, err := x509.MarshalPKIXPublicKey(&identitytest.RsaA().PublicKey)
	identitytest.Must(t, err)
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good := identitytest.Values{"alg": "RS256", "kid": "a"}
	if _, err := source.Verify(t.Context(), sources.ParseToken(identitytest.JWTOf(t, identitytest.RsaA(), good, all))); err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct{ token, reason string }{
		"none":                             {identitytest.JWTOf(t, nil, identitytest.With(good, identitytest.Values{"alg": "none"}), all, "none"), "alg is not"},
		"None":                             {identitytest.JWTOf(t, nil, identitytest.With(good, identitytest.Values{"alg": "None"}), all, "none"), "alg is not"},
		"NONE":                             {identitytest.JWTOf(t, nil, identitytest.With(good, identitytest.Values{"alg": "NONE"}), all, "none"), "alg is not"},
		"nOnE, signed":                     {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"alg": "nOnE"}), all, "RS256"), "alg is not"},
		"no alg":                           {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"kid": "a"}, all, "RS256"), "alg is not"},
		"an empty alg":                     {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"alg": ""}), all, "RS256"), "alg is not"},
		"alg in lower case":                {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"alg": "rs256"}), all, "RS256"), "alg is not"},
		"alg is a list":                    {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"alg": []any{"RS256"}}), all, "RS256"), "alg: must be a string"},
		"HS256 with the key in PEM":        {identitytest.JWTOf(t, pemKey, identitytest.With(good, identitytest.Values{"alg": "HS256"}), all), "alg is not"},
		"HS256 with the key in DER":        {identitytest.JWTOf(t, der, identitytest.With(good, identitytest.Values{"alg": "HS256"}), all), "alg is not"},
		"HS256 with the modulus":           {identitytest.JWTOf(t, identitytest.RsaA().N.Bytes(), identitytest.With(good, identitytest.Values{"alg": "HS256"}), all), "alg is not"},
		"HS512 without a key ID":           {identitytest.JWTOf(t, identitytest.RsaA().N.Bytes(), identitytest.Values{"alg": "HS512"}, all), "alg is not"},
		"ES256 in the header of RS256":     {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"alg": "ES256"}), all, "RS256"), "no key \"a\" that fits"},
		"ES256 with the ID of an RSA key":  {identitytest.JWTOf(t, identitytest.P256A(), identitytest.With(good, identitytest.Values{"alg": "ES256"}), all), "no key \"a\" that fits"},
		"RS256 with the ID of an EC key":   {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"kid": "p"}), all), "no key \"p\" that fits"},
		"RS256 in the header of PS256":     {identitytest.JWTOf(t, identitytest.RsaA(), good, all, "PS256"), "not signed with the key"},
		"PS256 in the header of RS256":     {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"alg": "PS256"}), all, "RS256"), "not signed with the key"},
		"RS256 in the header of RS384":     {identitytest.JWTOf(t, identitytest.RsaA(), good, all, "RS384"), "not signed with the key"},
		"ES384 on the curve of ES256":      {identitytest.JWTOf(t, identitytest.P256A(), identitytest.Values{"alg": "ES384", "kid": "p"}, all), "no key \"p\" that fits"},
		"ES256K":                           {identitytest.JWTOf(t, identitytest.P256A(), identitytest.Values{"alg": "ES256K", "kid": "p"}, all, "ES256"), "alg is not"},
		"another key":                      {identitytest.JWTOf(t, identitytest.RsaB(), good, all), "not signed with the key \"a\""},
		"another key without its ID":       {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256"}, all), "not signed with a key"},
		"an unknown ID":                    {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"kid": "b"}), all), "no key \"b\""},
		"an ID in another case":            {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"kid": "A"}), all), "no key \"A\""},
		"an ID with a path":                {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"kid": "../../dev/null"}), all), "no key"},
		"an ID that is a number":           {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"kid": 7}), all), "kid: must be a string"},
		"a long ID beyond ASCII":           {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"kid": strings.Repeat("\u202e\n", 99)}), all), "…"},
		"its own key":                      {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.With(good, identitytest.Values{"jwk": identitytest.JWKOf("a", identitytest.RsaB())}), all), "not signed with the key"},
		"its own key without an ID":        {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "jwk": identitytest.JWKOf("", identitytest.RsaB())}, all), "not signed with a key"},
		"a URL of its own keys":            {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.With(good, identitytest.Values{"jku": attacker.URL}), all), "not signed with the key"},
		"a URL of its own keys, other ID":  {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.With(good, identitytest.Values{"jku": attacker.URL, "kid": "z"}), all), "no key \"z\""},
		"a URL of its own certificate":     {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.With(good, identitytest.Values{"x5u": attacker.URL}), all), "not signed with the key"},
		"its own certificate":              {identitytest.JWTOf(t, identitytest.RsaB(), identitytest.With(good, identitytest.Values{"x5c": []any{base64.StdEncoding.EncodeToString(der)}}), all), "not signed with the key"},
		"critical extensions":              {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"crit": []any{"exp"}}), all), "critical extensions"},
		"critical extensions, null":        {identitytest.JWTOf(t, identitytest.RsaA(), `{"alg":"RS256","kid":"a","crit":null}`, all, "RS256"), "critical extensions"},
		"an unencoded payload":             {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"b64": true}), all), "unencoded payload"},
		"a logout token":                   {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"typ": "logout+jwt"}), all), "typ is not"},
		"a type that is a number":          {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"typ": 1}), all), "typ: must be a string"},
		"a JWE":                            {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.With(good, identitytest.Values{"typ": "JWE"}), all), "typ is not"},
		"alg twice":                        {identitytest.JWTOf(t, identitytest.RsaA(), `{"alg":"RS256","alg":"RS256","kid":"a"}`, all, "RS256"), "header: the text is not JSON that is accepted: duplicate name"},
		"alg twice, once escaped":          {identitytest.JWTOf(t, identitytest.RsaA(), `{"alg":"none","\u0061lg":"RS256","kid":"a"}`, all, "RS256"), "duplicate name"},
		"a header that is a list":          {identitytest.JWTOf(t, identitytest.RsaA(), `["RS256"]`, all, "RS256"), ""},
		"a header with something after it": {identitytest.JWTOf(t, identitytest.RsaA(), `{"alg":"RS256","kid":"a"} {}`, all, "RS256"), ""},
		"sub twice":                        {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","sub":"a","sub":"b","aud":"api","exp":4102444800}`), "it is signed, and its claims are odd: the text is not JSON that is accepted: duplicate name"},
		"a duplicate further down":         {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","sub":"a","aud":"api","exp":4102444800,"x":[{"y":1,"y":1}]}`), "it is signed, and its claims are odd: the text is not JSON that is accepted: duplicate name"},
		"claims that are not UTF-8":        {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","sub":"a`+"\xff"+`","aud":"api","exp":4102444800}`), "it is signed, and its claims are odd: the text is not JSON that is accepted: "},
		"claims nested too deep":           {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","sub":"a","aud":"api","exp":4102444800,"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`), "it is signed, and its claims are odd: the text is not JSON that is accepted: "},
		"sub twice, another key":           {identitytest.JWTOf(t, identitytest.RsaB(), good, `{"iss":"`+issuer.url+`","sub":"a","sub":"b","aud":"api","exp":4102444800}`), "not signed with the key"},
		"a name in two spellings":          {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","s\u0075b":"a","sub":"b"}`), "its claims are odd"},
		"half of a surrogate pair":         {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","sub":"\ud800"}`), "its claims are odd"},
		"claims in a list":                 {identitytest.JWTOf(t, identitytest.RsaA(), good, []any{all}), ""},
		"exp out of a float's range":       {identitytest.JWTOf(t, identitytest.RsaA(), good, `{"iss":"`+issuer.url+`","sub":"a","aud":"api","exp":1e400}`), ""},
		"no issuer":                        {identitytest.JWTOf(t, identitytest.RsaA(), good, identitytest.With(all, identitytest.Values{"iss": nil})), ""},
		"another issuer":                   {identitytest.JWTOf(t, identitytest.RsaA(), good, identitytest.With(all, identitytest.Values{"iss": issuer.url + "/"})), ""},
		"an issuer in a list":              {identitytest.JWTOf(t, identitytest.RsaA(), good, identitytest.With(all, identitytest.Values{"iss": []any{issuer.url}})), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { refusing(t, source, test.token, test.reason) })
	}
	if attacked.Load() > 0 {
		t.Error("the token had somebody asked for keys")
	}
}

func TestJWTTypes(t *testing.T) {
	issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
	source := loaded(t, issuer.newJWT(t, nil))
	for _, mediaType := range []string{"", "JWT", "jwt", "at+jwt", "AT+JWT", "application/jwt", "application/at+jwt", "Application/AT+jwt", "JOSE", "jose", "application/jose"} {
		token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "typ": mediaType}, issuer.claims(time.Now(), nil))
		if _, err := source.Verify(t.Context(), sources.ParseToken(token)); err != nil {
			t.Errorf("typ %q: %v", mediaType, err)
		}
	}
}

func TestJWTApplies(t *testing.T) {
	issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
	source := issuer.newJWT(t, func(o *Options) { o.Issuers = []string{issuer.url, "https://other.test"} })
	good := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, issuer.claims(time.Now(), nil))
	header, rest, _ := strings.Cut(good, ".")
	for name, test := range map[string]struct {
		token string
		want  bool
	}{
		"a token":                {good, true},
		"of the other issuer":    {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, identitytest.Values{"iss": "https://other.test"}), true},
		"not verified":           {header + "." + strings.Split(rest, ".")[0] + ".AAAA", true},
		"of another issuer":      {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, identitytest.Values{"iss": "https://other.test/"}), false},
		"of an issuer's prefix":  {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, identitytest.Values{"iss": "https://other.tes"}), false},
		"of no issuer":           {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, identitytest.Values{"sub": "a"}), false},
		"opaque":                 {"vdt_abc", false},
		"empty":                  {"", false},
		"two parts":              {header + "." + header, false},
		"four parts":             {good + ".AAAA", false},
		"with padding":           {good + "=", false},
		"with a line break":      {good[:10] + "\n" + good[10:], false},
		"with trailing bits":     {strings.Replace(good, ".", "."+identitytest.B64([]byte(`{"a":1}`))[:9]+"B.", 1), false},
		"signature not base64":   {good[:strings.LastIndexByte(good, '.')] + ".A", false},
		"signature not the form": {good[:strings.LastIndexByte(good, '.')] + ".AB", false},
		"no signature":           {good[:strings.LastIndexByte(good, '.')+1], false},
		"odd":                    {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, `{"iss":"`+issuer.url+`","a":1,"a":1}`), true},
		"odd, of others":         {identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, `{"iss":"`+issuer.url+`/","a":1,"a":1}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := source.Applies(sources.ParseToken(test.token)); got != test.want {
				t.Errorf("applies: %v, want %v", got, test.want)
			}
		})
	}
	if issuer.discoveries.Load()+issuer.fetches.Load() > 0 {
		t.Error("the issuer was asked")
	}
}

// A token that several sources and goroutines look at is parsed once.
func TestTokenParsesOnce(t *testing.T) {
	token := sources.ParseToken(identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, identitytest.Values{"iss": "a"}))
	seen := make([]*unverifiedJWT, 16)
	var looking sync.WaitGroup
	for i := range seen {
		looking.Go(func() { seen[i] = jwtIn(token) })
	}
	looking.Wait()
	for _, other := range seen {
		if other == nil || other != seen[0] {
			t.Fatal("parsed more than once, or not at all")
		}
	}
}

// The key of one issuer does not speak for another, whatever its ID.
func TestJWTIssuersKeepTheirKeys(t *testing.T) {
	a, b := newIssuer(t, identitytest.JWKOf("same", identitytest.RsaA()), identitytest.JWKOf("a", identitytest.RsaA())), newIssuer(t, identitytest.JWKOf("same", identitytest.RsaB()), identitytest.JWKOf("b", identitytest.RsaB()))
	client := a.client
	client.Transport.(*http.Transport).TLSClientConfig.RootCAs.AddCert(mustCertificate(t, b))
	source := loaded(t, a.newJWT(t, func(o *Options) { o.Issuers = []string{a.url, b.url}; o.Client = client }))
	now := time.Now()
	for _, good := range []string{
		identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, a.claims(now, nil)),
		identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "b"}, b.claims(now, nil)),
		identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "same"}, b.claims(now, nil)),
	} {
		if _, err := source.Verify(t.Context(), sources.ParseToken(good)); err != nil {
			t.Fatal(err)
		}
	}
	old := now.Add(-time.Minute)
	for name, bad := range map[string]string{
		"A's key and ID":            identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, b.claims(old, nil)),
		"A's key without its ID":    identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256"}, b.claims(old, nil)),
		"A's key under B's ID":      identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "b"}, b.claims(old, nil)),
		"A's key under a shared ID": identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "same"}, b.claims(old, nil)),
	} {
		t.Run(name, func(t *testing.T) { refusing(t, source, bad, "key") })
	}
}

func mustCertificate(t *testing.T, i *keyIssuer) *x509.Certificate {
	t.Helper()
	response, err := i.client.Get(i.url)
	identitytest.Must(t, err)
	defer response.Body.Close()
	return response.TLS.PeerCertificates[0]
}

func TestNewJWTRefuses(t *testing.T) {
	client := &http.Client{}
	tests := map[string]struct {
		options Options
		part    string
	}{
		"no issuer":            {Options{Client: client}, "no issuer"},
		"an empty issuer":      {Options{Client: client, Issuers: []string{""}}, "issuer is empty"},
		"an issuer twice":      {Options{Client: client, Issuers: []string{"https://a.test", "https://a.test"}}, "twice"},
		"none":                 {Options{Client: client, Issuers: []string{"https://a.test"}, Algorithms: []string{"RS256", "none"}}, `"none"`},
		"a MAC":                {Options{Client: client, Issuers: []string{"https://a.test"}, Algorithms: []string{"HS256"}}, `"HS256"`},
		"secp256k1":            {Options{Client: client, Issuers: []string{"https://a.test"}, Algorithms: []string{"ES256K"}}, `"ES256K"`},
		"lower case":           {Options{Client: client, Issuers: []string{"https://a.test"}, Algorithms: []string{"rs256"}}, `"rs256"`},
		"plain HTTP":           {Options{Client: client, Issuers: []string{"http://a.test"}}, "must be https"},
		"loopback's lookalike": {Options{Client: client, Issuers: []string{"http://127.0.0.1.a.test"}}, "must be https"},
		"localhost's":          {Options{Client: client, Issuers: []string{"http://localhost.a.test"}}, "must be https"},
		"no URL":               {Options{Client: client, Issuers: []string{"kubernetes/serviceaccount"}}, "URL with a host"},
		"a query":              {Options{Client: client, Issuers: []string{"https://a.test?b"}}, "query"},
		"a fragment":           {Options{Client: client, Issuers: []string{"https://a.test#b"}}, "fragment"},
		"a password":           {Options{Client: client, Issuers: []string{"a"}, JWKSURL: "https://u:hunter2@a.test"}, "JWKS URL: must not hold a username or password"},
		"plain HTTP for keys":  {Options{Client: client, Issuers: []string{"a"}, JWKSURL: "http://10.0.0.1/keys"}, "JWKS URL: must be https"},
		"a file URL":           {Options{Client: client, Issuers: []string{"a"}, JWKSURL: "file:///etc/keys"}, "JWKS URL"},
		"plain discovery":      {Options{Client: client, Issuers: []string{"a"}, DiscoveryURL: "http://a.test/d"}, "discovery URL: must be https"},
		"discovery of two":     {Options{Client: client, Issuers: []string{"a", "b"}, DiscoveryURL: "https://a.test/d"}, "one issuer"},
		"two places":           {Options{Client: client, Issuers: []string{"a"}, JWKSURL: "https://a.test/k", JWKSFile: "f"}, "one place"},
		"no client":            {Options{Issuers: []string{"https://a.test"}}, "no HTTP client"},
		"a negative leeway":    {Options{Client: client, Issuers: []string{"https://a.test"}, Leeway: sources.Leeway{NotBefore: -1}}, "leeway"},
		"an empty audience":    {Options{Client: client, Issuers: []string{"https://a.test"}, Audiences: []string{""}}, "audience is empty"},
		"a claim without name": {Options{Client: client, Issuers: []string{"https://a.test"}, RequiredClaims: map[string]string{"": "a"}}, "required claim"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			source, err := New("corp", test.options)
			if err == nil {
				t.Fatalf("got %v, want an error", source)
			}
			if !strings.Contains(err.Error(), "identity source corp: ") || !strings.Contains(err.Error(), test.part) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q, want %q in it", err, test.part)
			}
		})
	}
	for name, options := range map[string]Options{
		"loopback":        {Client: client, Issuers: []string{"http://127.0.0.1:1", "http://[::1]:2", "http://localhost"}},
		"any, with a URL": {Client: client, Issuers: []string{"kubernetes/serviceaccount"}, JWKSURL: "https://a.test/keys?x=y"},
		"a file":          {Issuers: []string{"a"}, JWKSFile: "f"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := New("corp", options)
			identitytest.Must(t, err)
			if source.Remote() != (options.JWKSFile == "") {
				t.Error("remote for a file, or not for a URL")
			}
		})
	}
}
