package jwt

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/policy/document"
)

const (
	// maxKeySetBytes bounds a JWK set; real ones have a few kilobytes.
	maxKeySetBytes = 1 << 20
	// maxKeys bounds the keys in one, since each is parsed.
	maxKeys = 1000
	// maxKeysTried bounds the signatures that are computed for one token.
	maxKeysTried = 16
	// RSA keys below minRSABits are too weak (RFC 7518 §3.3); those above
	// maxRSABits, TLS's own limit, cost too much.
	minRSABits, maxRSABits = 2048, 8192
)

// keySet is the keys of a JWK set (RFC 7517 §5) that can verify signatures. It
// never changes.
type keySet struct {
	keys []verificationKey
	// unusable are those that cannot be used: for encryption, symmetric, weak, of a
	// type that is not known, or no keys at all.
	unusable []unusableKey
	// digest tells sets with other keys apart.
	digest [sha256.Size]byte

	// What follows is set by the keyring that read the set.

	// asked is just before the set was asked for: what was published by then is
	// in it.
	asked time.Time
	// lifetime is how long the set may be used before it is looked at again.
	lifetime time.Duration
	// generation grows with each set of other keys.
	generation uint64
}

// verificationKey is a public key and what it may be used for.
type verificationKey struct {
	id        string // "kid"; may be empty, and need not be unique
	algorithm string // the only one; "" for any that fits the type
	kind      keyType
	public    any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
}

// parseKeySet reads a JWK set. Keys that cannot be used are left out, since
// issuers publish keys for other purposes beside them. No error quotes content.
func parseKeySet(content []byte) (*keySet, error) {
	document, err := document.ParseObject(content)
	if err != nil {
		return nil, errors.New("is not a JWK set: want a JSON object with a list \"keys\"")
	}
	defer document.Release()
	var texts []json.RawMessage
	if list := document.Root().Get("keys"); list.IsNull() || json.Unmarshal(list.Raw(), &texts) != nil {
		return nil, errors.New("is not a JWK set: want a list \"keys\"")
	}
	if len(texts) > maxKeys {
		return nil, fmt.Errorf("has more than %d keys", maxKeys)
	}
	set := &keySet{}
	var forms [][]byte
	for _, text := range texts {
		key, why := parseVerificationKey(text)
		if why != "" {
			set.unusable = append(set.unusable, unusableKey{id: key.id, why: why})
			continue
		}
		set.keys = append(set.keys, key)
		forms = append(forms, key.form())
	}
	slices.SortFunc(forms, bytes.Compare)
	set.digest = sha256.Sum256(bytes.Join(forms, nil))
	return set, nil
}

// form is the key as bytes that are those of no other key.
func (k *verificationKey) form() []byte {
	public, _ := x509.MarshalPKIXPublicKey(k.public) // it knows all the types
	return fmt.Appendf(nil, "%q %q %x\n", k.id, k.algorithm, public)
}

func (k *verificationKey) fits(t *unverifiedJWT, algorithm jwtAlgorithm) bool {
	return (t.keyID == "" || t.keyID == k.id) &&
		k.kind == algorithm.key &&
		(k.algorithm == "" || k.algorithm == t.algorithm)
}

// signature is what keys say about the signature of a token.
type signature int

const (
	// signatureValid: it was made with one of the keys.
	signatureValid signature = iota
	// signatureForged: the token names the key, and it was not made with it.
	signatureForged
	// signatureUnknown: no key fits the token, or the token names none.
	signatureUnknown
)

// check tells whether the token was signed with one of the keys. A set that is
// nil has none.
func (s *keySet) check(t *unverifiedJWT, algorithm jwtAlgorithm) signature {
	if s == nil {
		return signatureUnknown
	}
	tried := 0
	for i := range s.keys {
		key := &s.keys[i]
		if !key.fits(t, algorithm) {
			continue
		}
		if tried++; tried > maxKeysTried {
			break
		}
		if algorithm.verifies(key.public, key.kind, t.input, t.signature) {
			return signatureValid
		}
	}
	if tried > 0 && t.keyID != "" {
		return signatureForged
	}
	return signatureUnknown
}

// has reports whether the set has a key that the token could be signed with.
func (s *keySet) has(t *unverifiedJWT, algorithm jwtAlgorithm) bool {
	if s == nil {
		return false
	}
	for i := range s.keys {
		if s.keys[i].fits(t, algorithm) {
			return true
		}
	}
	return false
}

// replace gives the set its place after an earlier one, which may be nil, and
// reports whether its keys are others.
func (s *keySet) replace(earlier *keySet) (changed bool) {
	switch {
	case earlier == nil:
		s.generation = 1
	case earlier.digest == s.digest:
		s.generation = earlier.generation
		return false
	default:
		s.generation = earlier.generation + 1
	}
	return true
}
