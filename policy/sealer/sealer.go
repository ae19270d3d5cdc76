// Package sealer makes keys of secrets: a table that must not keep the secrets can
// find entries by these keys.
package sealer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
)

// size is the length of a Key, in bytes.
const size = sha256.Size

// Key is an HMAC-SHA-256 of a secret.
type Key [size]byte

// Sealer turns secrets into keys that reveal nothing of them: HMAC-SHA-256 with a
// random key of this Sealer alone.
//
// The time that it takes to look up such a key does not show how near a guess is to
// a secret in a table: the bytes that the table compares are unknown to the attacker
// and unrelated to the guess. An attacker cannot find a secret part by part.
//
// The methods may be called from several goroutines.
type Sealer struct{ macs sync.Pool }

// New returns a Sealer with a key of its own.
func New() *Sealer {
	key := make([]byte, sha256.Size)
	// It never fails: Go ends the program where the system has no randomness.
	_, _ = rand.Read(key)
	return &Sealer{macs: sync.Pool{New: func() any {
		mac := hmac.New(sha256.New, key)
		// From the second call on, Reset restores the state of the first call,
		// which overwrites the rest of a secret.
		mac.Reset()
		return mac
	}}}
}

// Append appends the key of secret to b.
func (s *Sealer) Append(b, secret []byte) []byte {
	mac := s.macs.Get().(hash.Hash)
	_, _ = mac.Write(secret) // never fails
	b = mac.Sum(b)
	mac.Reset() // it holds the end of the secret
	s.macs.Put(mac)
	return b
}

// Key returns the key of secret.
func (s *Sealer) Key(secret []byte) (key Key) {
	s.Append(key[:0], secret)
	return key
}
