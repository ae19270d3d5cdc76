package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512

	"github.com/lestrrat-go/dsig"
)

// keyType is what a key is good for; one for each elliptic curve.
type keyType string

const (
	rsaKey     keyType = "RSA"
	p256Key    keyType = "P-256"
	p384Key    keyType = "P-384"
	p521Key    keyType = "P-521"
	ed25519Key keyType = "Ed25519"
)

// jwtAlgorithm is a signature algorithm of JWS (RFC 7518 §3.1, RFC 8037 §3.1).
type jwtAlgorithm struct {
	key  keyType
	hash crypto.Hash // of the signed bytes; 0 for Ed25519, which has its own
	pss  bool        // RSASSA-PSS, not PKCS #1 v1.5
}

// jwtAlgorithmNames are those that jwtAlgorithmOf knows.
func jwtAlgorithmNames() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// jwtAlgorithmOf returns the algorithm of that name, which is case-sensitive.
// There are only asymmetric ones: who can verify a MAC can also make one, and
// "none" proves nothing.
func jwtAlgorithmOf(name string) (algorithm jwtAlgorithm, ok bool) {
	switch name {
	case "RS256":
		return jwtAlgorithm{key: rsaKey, hash: crypto.SHA256}, true
	case "RS384":
		return jwtAlgorithm{key: rsaKey, hash: crypto.SHA384}, true
	case "RS512":
		return jwtAlgorithm{key: rsaKey, hash: crypto.SHA512}, true
	case "PS256":
		return jwtAlgorithm{key: rsaKey, hash: crypto.SHA256, pss: true}, true
	case "PS384":
		return jwtAlgorithm{key: rsaKey, hash: crypto.SHA384, pss: true}, true
	case "PS512":
		return jwtAlgorithm{key: rsaKey, hash: crypto.SHA512, pss: true}, true
	case "ES256":
		return jwtAlgorithm{key: p256Key, hash: crypto.SHA256}, true
	case "ES384":
		return jwtAlgorithm{key: p384Key, hash: crypto.SHA384}, true
	case "ES512":
		return jwtAlgorithm{key: p521Key, hash: crypto.SHA512}, true
	case "EdDSA":
		return jwtAlgorithm{key: ed25519Key}, true
	}
	return jwtAlgorithm{}, false
}

// verifies reports whether signature is that of input. A key of another type than
// the algorithm's verifies nothing.
func (a jwtAlgorithm) verifies(public any, kind keyType, input, signature []byte) bool {
	if kind != a.key {
		return false
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		return dsig.VerifyRSA(key, input, signature, a.hash, a.pss) == nil
	case *ecdsa.PublicKey:
		return dsig.VerifyECDSA(key, input, signature, a.hash) == nil
	case ed25519.PublicKey:
		return dsig.VerifyEdDSA(key, input, signature) == nil
	}
	return false
}
