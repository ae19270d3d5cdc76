package identity

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
)

func keySetOf(t *testing.T, keys ...any) *keySet {
	t.Helper()
	text, err := json.Marshal(values{"keys": append([]any{}, keys...)})
	must(t, err)
	set, err := parseKeySet(text)
	must(t, err)
	return set
}

func TestParseKeySet(t *testing.T) {
	certificate := func(key crypto.Signer) string {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}, NotAfter: time.Now().Add(time.Hour),
		}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
		must(t, err)
		return base64.StdEncoding.EncodeToString(der)
	}
	offCurve := jwkOf("a", p256A())
	offCurve["y"] = jwkOf("b", p256B())["y"]
	for name, test := range map[string]struct {
		key  any
		want keyType // "" when it cannot be used
	}{
		"RSA":                            {jwkOf("a", rsaA()), rsaKey},
		"RSA for signatures":             {jwkOf("a", rsaA(), values{"use": "sig", "alg": "RS256", "key_ops": []any{"verify"}}), rsaKey},
		"RSA with secrets":               {privateJWKOf("a", rsaA()), rsaKey},
		"RSA with a certificate":         {jwkOf("a", rsaA(), values{"x5c": []any{certificate(rsaA())}}), rsaKey},
		"RSA with another's":             {jwkOf("a", rsaA(), values{"x5c": []any{certificate(rsaB())}}), rsaKey},
		"RSA with names of our own":      {jwkOf("a", rsaA(), values{"x-env": values{"a": 1}}), rsaKey},
		"P-256":                          {jwkOf("a", p256A()), p256Key},
		"P-384":                          {jwkOf("a", p384A()), p384Key},
		"P-521":                          {jwkOf("a", p521A()), p521Key},
		"Ed25519":                        {jwkOf("a", ed25519A()), ed25519Key},
		"RSA of 1024 bits":               {jwkOf("a", rsaSmall()), ""},
		"RSA of too many bits":           {jwkOf("a", rsaA(), values{"n": b64(slices.Repeat([]byte{0xff}, 4096))}), ""},
		"RSA with an exponent of 1":      {jwkOf("a", rsaA(), values{"e": "AQ"}), ""},
		"RSA for encryption":             {jwkOf("a", rsaA(), values{"use": "enc"}), ""},
		"RSA to sign with":               {jwkOf("a", rsaA(), values{"key_ops": []any{"sign"}}), ""},
		"RSA without a modulus":          {jwkOf("a", rsaA(), values{"n": nil}), ""},
		"RSA that is only in x5c":        {jwkOf("a", rsaA(), values{"n": nil, "e": nil, "x5c": []any{certificate(rsaA())}}), ""},
		"a point beside the curve":       {offCurve, ""},
		"a point of another curve":       {jwkOf("a", p256A(), values{"crv": "P-384"}), ""},
		"secp256k1":                      {jwkOf("a", p256A(), values{"crv": "secp256k1"}), ""},
		"X25519":                         {jwkOf("a", ed25519A(), values{"crv": "X25519"}), ""},
		"Ed25519, too short":             {jwkOf("a", ed25519A(), values{"x": "AAAA"}), ""},
		"symmetric":                      {values{"kty": "oct", "kid": "a", "k": b64(make([]byte, 64))}, ""},
		"symmetric with RSA's algorithm": {values{"kty": "oct", "kid": "a", "alg": "RS256", "k": b64(make([]byte, 64))}, ""},
		"another type":                   {values{"kty": "AKP", "kid": "a", "alg": "ML-DSA-44", "pub": "AAAA"}, ""},
		"no type":                        {values{"kid": "a"}, ""},
		"a string":                       {"a", ""},
		"null":                           {nil, ""},
		"a list":                         {[]any{jwkOf("a", rsaA())}, ""},
		"a set":                          {values{"keys": []any{jwkOf("a", rsaA())}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := keySetOf(t, test.key, jwkOf("good", p256B()))
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
			keys[i] = jwkOf("", p256B())
		}
		return append(keys, last)
	}
	for name, test := range map[string]struct {
		keys      []any
		algorithm string
		id        string
		want      signature
	}{
		"by its ID":                       {[]any{jwkOf("b", rsaB()), jwkOf("a", rsaA())}, "RS256", "a", signatureValid},
		"without an ID":                   {[]any{jwkOf("b", rsaB()), jwkOf("p", p256A()), jwkOf("a", rsaA())}, "RS256", "", signatureValid},
		"two keys with the ID":            {[]any{jwkOf("a", rsaB()), jwkOf("a", rsaA())}, "RS256", "a", signatureValid},
		"two types with the ID":           {[]any{jwkOf("a", p256A()), jwkOf("a", rsaA())}, "RS256", "a", signatureValid},
		"the key's only algorithm":        {[]any{jwkOf("a", rsaA(), values{"alg": "PS384"})}, "PS384", "a", signatureValid},
		"not the key's only algorithm":    {[]any{jwkOf("a", rsaA(), values{"alg": "PS384"})}, "RS256", "a", signatureUnknown},
		"a key for encryption by its alg": {[]any{jwkOf("a", rsaA(), values{"alg": "RSA-OAEP"})}, "RS256", "a", signatureUnknown},
		"the key of another":              {[]any{jwkOf("a", rsaB())}, "RS256", "a", signatureForged},
		"the key of another, no ID":       {[]any{jwkOf("a", rsaB())}, "RS256", "", signatureUnknown},
		"another ID":                      {[]any{jwkOf("b", rsaA())}, "RS256", "a", signatureUnknown},
		"an ID, and the key has none":     {[]any{jwkOf("", rsaA())}, "RS256", "a", signatureUnknown},
		"no keys":                         {nil, "RS256", "a", signatureUnknown},
		"the last of those tried":         {many(maxKeysTried-1, jwkOf("", p256A())), "ES256", "", signatureValid},
		"after the last of those tried":   {many(maxKeysTried, jwkOf("", p256A())), "ES256", "", signatureUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			header := values{"alg": test.algorithm, "kid": test.id}
			token := parseJWT(jwtOf(t, signers()[test.algorithm], header, values{"iss": "a"}))
			algorithm, _ := jwtAlgorithmOf(test.algorithm)
			if got := keySetOf(t, test.keys...).check(token, algorithm); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}

func TestKeySetDigest(t *testing.T) {
	same := []*keySet{
		keySetOf(t, jwkOf("a", rsaA()), jwkOf("p", p256A())),
		keySetOf(t, jwkOf("p", p256A()), jwkOf("a", rsaA())),
		keySetOf(t, jwkOf("a", rsaA(), values{"use": "sig", "x": 1}), "junk", jwkOf("p", p256A())),
		keySetOf(t, privateJWKOf("a", rsaA()), jwkOf("p", p256A())),
	}
	other := []*keySet{
		keySetOf(t),
		keySetOf(t, jwkOf("a", rsaA())),
		keySetOf(t, jwkOf("a", rsaB()), jwkOf("p", p256A())),
		keySetOf(t, jwkOf("p", rsaA()), jwkOf("a", p256A())),
		keySetOf(t, jwkOf("a", rsaA(), values{"alg": "RS256"}), jwkOf("p", p256A())),
		keySetOf(t, jwkOf("a", rsaA()), jwkOf("p", p256A()), jwkOf("e", ed25519A())),
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
	offCurve := jwkOf("off", p256A())
	offCurve["y"] = jwkOf("b", p256B())["y"]
	for want, key := range map[string]any{
		`"enc" is not for signatures (use "enc")`:                                   jwkOf("enc", rsaA(), values{"use": "enc"}),
		`"ops" is not for verifying (key_ops)`:                                      jwkOf("ops", rsaA(), values{"key_ops": []any{"sign"}}),
		`"weak" has 1024 bits, not 2048 to 8192`:                                    jwkOf("weak", rsaSmall()),
		`"one" has an exponent that makes any signature good`:                       jwkOf("one", rsaA(), values{"e": "AQ"}),
		`"mac" is symmetric: who can verify with it can sign`:                       values{"kty": "oct", "kid": "mac", "k": b64(make([]byte, 64))},
		`"pq" is of the type "AKP", which is not known`:                             values{"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AAAA"},
		`"koblitz" is of the curve "secp256k1", which is not known`:                 jwkOf("koblitz", p256A(), values{"crv": "secp256k1"}),
		`"x" is for agreeing on keys, not for signatures`:                           jwkOf("x", ed25519A(), values{"crv": "X25519"}),
		`"half" is no valid key of the type RSA`:                                    jwkOf("half", rsaA(), values{"n": nil}),
		`"untyped" says no type (kty)`:                                              values{"kid": "untyped"},
		`one without a kid says no type (kty)`:                                      values{"a": 1},
		`one without a kid is no JWK`:                                               "a",
		`"` + strings.Repeat("k", 64) + `"… is of the type "?", which is not known`: values{"kty": "?", "kid": strings.Repeat("k", 100)},
	} {
		set := keySetOf(t, key, jwkOf("good", p256B()))
		if got := describeUnusable(set.unusable); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	set := keySetOf(t, offCurve, jwkOf("good", p256B()))
	if got := describeUnusable(set.unusable); !strings.HasPrefix(got, `"off" is `) {
		t.Errorf("got %s", got)
	}
	notes := keyNotes{issuer: "https://a.test", now: time.Now}
	many := keySetOf(t, "a", "b", "c", "d", "e", "f", "g", jwkOf("good", p256B()))
	if got := notes.status(many, nil); !strings.HasSuffix(got, "(7 more cannot be used: "+strings.Repeat("one without a kid is no JWK; ", 5)+"and 2 more)") {
		t.Errorf("status %s", got)
	}
}
