package jwt

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// unusableKey is a key of a set that no signature can be verified with.
type unusableKey struct {
	id  string // "kid"; may be empty
	why string
}

// describeUnusable names the first few keys that cannot be used, with the reason.
func describeUnusable(keys []unusableKey) string {
	const most = 5
	var out []string
	for _, key := range keys[:min(len(keys), most)] {
		name := "one without a kid"
		if key.id != "" {
			name = sources.QuoteShort(key.id)
		}
		out = append(out, name+" "+key.why)
	}
	if more := len(keys) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

// readAnyRSAKey makes the library of JWKs read RSA keys of every length and exponent,
// so that keyTypeOf refuses a weak key with an error that says why. The library has
// these bounds once for the whole program; OPA, where it is linked, sets them to the
// same.
var readAnyRSAKey = sync.OnceFunc(func() {
	jwk.Configure(jwk.WithMinRSAModulusBits(0), jwk.WithMinRSAPublicExponent(0))
})

// parseVerificationKey returns the public key in a JWK, or its "kid" alone and why
// no signature can be verified with it.
func parseVerificationKey(text []byte) (key verificationKey, why string) {
	named := namedKey(text)
	key.id = named.id()
	readAnyRSAKey()
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return key, named.whyInvalid(text)
	}
	if why := whyNotVerify(parsed); why != "" {
		return key, why
	}
	// A symmetric key stays what it is, and is of no type that keyTypeOf knows.
	public, err := jwk.PublicKeyOf(parsed)
	if err != nil {
		return key, named.whyInvalid(text)
	}
	var exported any
	if err := jwk.Export(public, &exported); err != nil {
		return key, named.whyInvalid(text)
	}
	kind, why := keyTypeOf(exported)
	if why != "" {
		return key, why
	}
	key.kind, key.public = kind, exported
	if algorithm, ok := parsed.Algorithm(); ok {
		key.algorithm = algorithm.String()
	}
	return key, ""
}

// nameOfKey is what tells people which key is meant, whatever else is wrong.
type nameOfKey struct {
	ID    any `json:"kid"`
	Type  any `json:"kty"`
	Curve any `json:"crv"`
}

func namedKey(text []byte) (name nameOfKey) {
	if json.Unmarshal(text, &name) != nil {
		return nameOfKey{}
	}
	return name
}

func (n nameOfKey) id() string {
	id, _ := n.ID.(string)
	return id
}

// whyInvalid is for a text that no key is made of.
func (n nameOfKey) whyInvalid(text []byte) string {
	kind, _ := n.Type.(string)
	curve, hasCurve := n.Curve.(string)
	switch {
	case !sources.IsJSONObject(text):
		return "is no JWK"
	case kind == "":
		return "says no type (kty)"
	case !slices.Contains([]string{"RSA", "EC", "OKP", "oct"}, kind):
		return "is of the type " + sources.QuoteShort(kind) + ", which is not known"
	case hasCurve && !slices.Contains([]string{string(p256Key), string(p384Key), string(p521Key), string(ed25519Key)}, curve):
		return "is of the curve " + sources.QuoteShort(curve) + ", which is not known"
	}
	return "is no valid key of the type " + kind
}

// whyNotVerify says why a key is not meant for verifying signatures (RFC 7517
// §4.2, §4.3); "" when it is.
func whyNotVerify(key jwk.Key) string {
	if use, ok := key.KeyUsage(); ok && use != "" && use != jwk.ForSignature.String() {
		return "is not for signatures (use " + sources.QuoteShort(use) + ")"
	}
	if operations, ok := key.KeyOps(); ok && !slices.Contains(operations, jwk.KeyOpVerify) {
		return "is not for verifying (key_ops)"
	}
	return ""
}

// keyTypeOf returns the type of a public key, or why it is not usable.
func keyTypeOf(public any) (kind keyType, why string) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); {
		case bits < minRSABits || bits > maxRSABits:
			return "", fmt.Sprintf("has %d bits, not %d to %d", bits, minRSABits, maxRSABits)
		case key.E <= 1:
			return "", "has an exponent that makes any signature good"
		}
		return rsaKey, ""
	case *ecdsa.PublicKey:
		if _, err := key.ECDH(); err != nil {
			return "", "is not on its curve"
		}
		switch key.Curve {
		case elliptic.P256():
			return p256Key, ""
		case elliptic.P384():
			return p384Key, ""
		case elliptic.P521():
			return p521Key, ""
		}
		return "", "is of a curve that is not known"
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return "", "has not the length of its type"
		}
		return ed25519Key, ""
	case *ecdh.PublicKey:
		return "", "is for agreeing on keys, not for signatures"
	case []byte:
		return "", "is symmetric: who can verify with it can sign"
	}
	return "", "is of a type that is not known"
}
