package jwt

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
)

func keySetOf(t *testing.T, keys ...any) *keySet {
	t.Helper()
	text, err := json.Marshal(identitytest.Values{"keys": append([]any{}, keys...)})
	identitytest.Must(t, err)
	set, err := parseKeySet(text)
	identitytest.Must(t, err)
	return set
}

func TestParseKeySet(t *testing.T) {
	certificate := func(key crypto.Signer) string {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}, NotAfter: time.Now().Add(time.Hour),
		}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
		identitytest.Must(t, err)
		return base64.StdEncoding.EncodeToString(der)
	}
	offCurve := identitytest.JWKOf("a", identitytest.P256A())
	offCurve["y"] = identitytest.JWKOf("b", identitytest.P256B())["y"]
	for name, test := range map[string]struct {
		key  any
		want keyType // "" when it cannot be used
	}{
		"RSA":                            {identitytest.JWKOf("a", identitytest.RsaA()), rsaKey},
		"RSA for signatures":             {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"use": "sig", "alg": "RS256", "key_ops": []any{"verify"}}), rsaKey},
		"RSA with secrets":               {identitytest.PrivateJWKOf("a", identitytest.RsaA()), rsaKey},
		"RSA with a certificate":         {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"x5c": []any{certificate(identitytest.RsaA())}}), rsaKey},
		"RSA with another's":             {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"x5c": []any{certificate(identitytest.RsaB())}}), rsaKey},
		"RSA with names of our own":      {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"x-env": identitytest.Values{"a": 1}}), rsaKey},
		"P-256":                          {identitytest.JWKOf("a", identitytest.P256A()), p256Key},
		"P-384":                          {identitytest.JWKOf("a", identitytest.P384A()), p384Key},
		"P-521":                          {identitytest.JWKOf("a", identitytest.P521A()), p521Key},
		"Ed25519":                        {identitytest.JWKOf("a", identitytest.Ed25519A()), ed25519Key},
		"RSA of 1024 bits":               {identitytest.JWKOf("a", identitytest.RsaSmall()), ""},
		"RSA of too many bits":           {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"n": identitytest.B64(slices.Repeat([]byte{0xff}, 4096))}), ""},
		"RSA with an exponent of 1":      {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"e": "AQ"}), ""},
		"RSA for encryption":             {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"use": "enc"}), ""},
		"RSA to sign with":               {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"key_ops": []any{"sign"}}), ""},
		"RSA without a modulus":          {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"n": nil}), ""},
		"RSA that is only in x5c":        {identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"n": nil, "e": nil, "x5c": []any{certificate(identitytest.RsaA())}}), ""},
		"a point beside the curve":       {offCurve, ""},
		"a point of another curve":       {identitytest.JWKOf("a", identitytest.P256A(), identitytest.Values{"crv": "P-384"}), ""},
		"secp256k1":                      {identitytest.JWKOf("a", identitytest.P256A(), identitytest.Values{"crv": "secp256k1"}), ""},
		"X25519":                         {identitytest.JWKOf("a", identitytest.Ed25519A(), identitytest.Values{"crv": "X25519"}), ""},
		"Ed25519, too short":             {identitytest.JWKOf("a", identitytest.Ed25519A(), identitytest.Values{"x": "AAAA"}), ""},
		"symmetric":                      {identitytest.Values{"kty": "oct", "kid": "a", "k": identitytest.B64(make([]byte, 64))}, ""},
		"symmetric with RSA's algorithm": {identitytest.Values{"kty": "oct", "kid": "a", "alg": "RS256", "k": identitytest.B64(make([]byte, 64))}, ""},
		"another type":                   {identitytest.Values{"kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "AAAA"}, ""},
		"no type":                        {identitytest.Values{"kid": "a"}, ""},
		"a string":                       {"a", ""},
		"null":                           {nil, ""},
		"a list":                         {[]any{identitytest.JWKOf("a", identitytest.RsaA())}, ""},
		"a set":                          {identitytest.Values{"keys": []any{identitytest.JWKOf("a", identitytest.RsaA())}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := keySetOf(t, test.key, identitytest.JWKOf("good", identitytest.P256B()))
			if test.want == "" {
				if len(set.keys) != 1 || set.keys[0].id != "good" || len(set.unusable) != 1 {
					t.Errorf("got %+v, want the good one alone", set)
				}
				return
			}
			if len(set.keys) != 2 || set.keys[0].id != "a" || set.keys[0].kind != test.want || len(set.unusable) != 0 {
				t.Fatalf("got %+v, want a key of type %s", set, test.want)
			}
			if _, private := set.keys[0].public.(crypto.Signer); private {
				t.Error("the secrets of the key were kept")
			}
		})
	}
}

func TestKeySetCheck(t *testing.T) {
	many := func(n int, last any) []any {
		keys := make([]any, n, n+1)
		for i := range keys {
			keys[i] = identitytest.JWKOf("", identitytest.P256B())
		}
		return append(keys, last)
	}
	for name, test := range map[string]struct {
		keys      []any
		algorithm string
		id        string
		want      signature
	}{
		"by its ID":                       {[]any{identitytest.JWKOf("b", identitytest.RsaB()), identitytest.JWKOf("a", identitytest.RsaA())}, "RS256", "a", signatureValid},
		"without an ID":                   {[]any{identitytest.JWKOf("b", identitytest.RsaB()), identitytest.JWKOf("p", identitytest.P256A()), identitytest.JWKOf("a", identitytest.RsaA())}, "RS256", "", signatureValid},
		"two keys with the ID":            {[]any{identitytest.JWKOf("a", identitytest.RsaB()), identitytest.JWKOf("a", identitytest.RsaA())}, "RS256", "a", signatureValid},
		"two types with the ID":           {[]any{identitytest.JWKOf("a", identitytest.P256A()), identitytest.JWKOf("a", identitytest.RsaA())}, "RS256", "a", signatureValid},
		"the key's only algorithm":        {[]any{identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"alg": "PS384"})}, "PS384", "a", signatureValid},
		"not the key's only algorithm":    {[]any{identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"alg": "PS384"})}, "RS256", "a", signatureUnknown},
		"a key for encryption by its alg": {[]any{identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"alg": "RSA-OAEP"})}, "RS256", "a", signatureUnknown},
		"the key of another":              {[]any{identitytest.JWKOf("a", identitytest.RsaB())}, "RS256", "a", signatureForged},
		"the key of another, no ID":       {[]any{identitytest.JWKOf("a", identitytest.RsaB())}, "RS256", "", signatureUnknown},
		"another ID":                      {[]any{identitytest.JWKOf("b", identitytest.RsaA())}, "RS256", "a", signatureUnknown},
		"an ID, and the key has none":     {[]any{identitytest.JWKOf("", identitytest.RsaA())}, "RS256", "a", signatureUnknown},
		"no keys":                         {nil, "RS256", "a", signatureUnknown},
		"the last of those tried":         {many(maxKeysTried-1, identitytest.JWKOf("", identitytest.P256A())), "ES256", "", signatureValid},
		"after the last of those tried":   {many(maxKeysTried, identitytest.JWKOf("", identitytest.P256A())), "ES256", "", signatureUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			header := identitytest.Values{"alg": test.algorithm, "kid": test.id}
			token := parseJWT(identitytest.JWTOf(t, signers()[test.algorithm], header, identitytest.Values{"iss": "a"}))
			algorithm, _ := jwtAlgorithmOf(test.algorithm)
			if got := keySetOf(t, test.keys...).check(token, algorithm); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}

func TestKeySetDigest(t *testing.T) {
	same := []*keySet{
		keySetOf(t, identitytest.JWKOf("a", identitytest.RsaA()), identitytest.JWKOf("p", identitytest.P256A())),
		keySetOf(t, identitytest.JWKOf("p", identitytest.P256A()), identitytest.JWKOf("a", identitytest.RsaA())),
		keySetOf(t, identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"use": "sig", "x": 1}), "junk", identitytest.JWKOf("p", identitytest.P256A())),
		keySetOf(t, identitytest.PrivateJWKOf("a", identitytest.RsaA()), identitytest.JWKOf("p", identitytest.P256A())),
	}
	other := []*keySet{
		keySetOf(t),
		keySetOf(t, identitytest.JWKOf("a", identitytest.RsaA())),
		keySetOf(t, identitytest.JWKOf("a", identitytest.RsaB()), identitytest.JWKOf("p", identitytest.P256A())),
		keySetOf(t, identitytest.JWKOf("p", identitytest.RsaA()), identitytest.JWKOf("a", identitytest.P256A())),
		keySetOf(t, identitytest.JWKOf("a", identitytest.RsaA(), identitytest.Values{"alg": "RS256"}), identitytest.JWKOf("p", identitytest.P256A())),
		keySetOf(t, identitytest.JWKOf("a", identitytest.RsaA()), identitytest.JWKOf("p", identitytest.P256A()), identitytest.JWKOf("e", identitytest.Ed25519A())),
	}
	for i, set := range same {
		if set.digest != same[0].digest {
			t.Errorf("set %d is told from the first", i)
		}
	}
	for i, set := range other {
		if set.digest == same[0].digest {
			t.Errorf("other set %d is not told from the first", i)
		}
	}
}

// TestUnusableKeysAreNamed has a key of each kind that cannot be used.
func TestUnusableKeysAreNamed(t *testing.T) {
	offCurve := identitytest.JWKOf("off", identitytest.P256A())
	offCurve["y"] = identitytest.JWKOf("b", identitytest.P256B())["y"]
	for want, key := range map[string]any{
		`"enc" is not for signatures (use "enc")`:                                   identitytest.JWKOf("enc", identitytest.RsaA(), identitytest.Values{"use": "enc"}),
		`"ops" is not for verifying (key_ops)`:                                      identitytest.JWKOf("ops", identitytest.RsaA(), identitytest.Values{"key_ops": []any{"sign"}}),
		`"weak" has 1024 bits, not 2048 to 8192`:                                    identitytest.JWKOf("weak", identitytest.RsaSmall()),
		`"one" has an exponent that makes any signature good`:                       identitytest.JWKOf("one", identitytest.RsaA(), identitytest.Values{"e": "AQ"}),
		`"mac" is symmetric: who can verify with it can sign`:                       identitytest.Values{"kty": "oct", "kid": "mac", "k": identitytest.B64(make([]byte, 64))},
		`"pq" is of the type "AKP", which is not known`:                             identitytest.Values{"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AAAA"},
		`"koblitz" is of the curve "secp256k1", which is not known`:                 identitytest.JWKOf("koblitz", identitytest.P256A(), identitytest.Values{"crv": "secp256k1"}),
		`"x" is for agreeing on keys, not for signatures`:                           identitytest.JWKOf("x", identitytest.Ed25519A(), identitytest.Values{"crv": "X25519"}),
		`"half" is no valid key of the type RSA`:                                    identitytest.JWKOf("half", identitytest.RsaA(), identitytest.Values{"n": nil}),
		`"untyped" says no type (kty)`:                                              identitytest.Values{"kid": "untyped"},
		`one without a kid says no type (kty)`:                                      identitytest.Values{"a": 1},
		`one without a kid is no JWK`:                                               "a",
		`"` + strings.Repeat("k", 64) + `"… is of the type "?", which is not known`: identitytest.Values{"kty": "?", "kid": strings.Repeat("k", 100)},
	} {
		set := keySetOf(t, key, identitytest.JWKOf("good", identitytest.P256B()))
		if got := describeUnusable(set.unusable); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	set := keySetOf(t, offCurve, identitytest.JWKOf("good", identitytest.P256B()))
	if got := describeUnusable(set.unusable); !strings.HasPrefix(got, `"off" is `) {
		t.Errorf("got %s", got)
	}
	events := keyEvents{issuer: "https://a.test", now: time.Now}
	many := keySetOf(t, "a", "b", "c", "d", "e", "f", "g", identitytest.JWKOf("good", identitytest.P256B()))
	if got := events.status(many, nil); !strings.HasSuffix(got, "(7 more cannot be used: "+strings.Repeat("one without a kid is no JWK; ", 5)+"and 2 more)") {
		t.Errorf("status %s", got)
	}
}
