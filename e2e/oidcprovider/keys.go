package oidcprovider

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// keyRing has the keys that are published; the last one signs.
type keyRing struct {
	mu   sync.Mutex
	made int
	keys []*rsaKey
}

func (r *keyRing) rotate(keepOld bool) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !keepOld {
		r.keys = nil
	}
	r.made++
	r.keys = append(r.keys, &rsaKey{id: fmt.Sprintf("key-%d", r.made), private: private})
	return nil
}

func (r *keyRing) signing() op.SigningKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return signingKey{r.keys[len(r.keys)-1]}
}

func (r *keyRing) published() []op.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []op.Key
	for _, key := range r.keys {
		all = append(all, publicKey{key})
	}
	return all
}

type rsaKey struct {
	id      string
	private *rsa.PrivateKey
}

// ID is the "kid" of what it signs.
func (k *rsaKey) ID() string { return k.id }

// signingKey implements op.SigningKey.
type signingKey struct{ *rsaKey }

// SignatureAlgorithm is the one that every client understands.
func (signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Key is the private key.
func (k signingKey) Key() any { return k.private }

// publicKey implements op.Key.
type publicKey struct{ *rsaKey }

// Algorithm is that of the signing key.
func (publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }

// Use says that it is for signatures.
func (publicKey) Use() string { return "sig" }

// Key is the public key.
func (k publicKey) Key() any { return k.private.Public() }
