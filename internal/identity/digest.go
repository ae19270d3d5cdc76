package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// digestKey is where a table keeps the token of some digest.
type digestKey [sha256.Size]byte

// digestKeys make the keys of one table.
//
// Looking a token up does not tell, by the time it takes, how near a guess is to
// a token in the table: a key is an HMAC of the token's digest under a random
// key of the table's own. What the table compares is thus unknown to the guesser
// and unrelated to the guess, so that no part of a token can be found before the
// rest.
type digestKeys struct {
	secret []byte
}

func newDigestKeys() digestKeys {
	secret := make([]byte, sha256.Size)
	// It never fails: Go ends the program where the system has no randomness.
	_, _ = rand.Read(secret)
	return digestKeys{secret: secret}
}

func (k digestKeys) of(sum [sha256.Size]byte) digestKey {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(sum[:])
	return digestKey(mac.Sum(nil))
}

// ofEntry is where the table keeps the token of an entry.
func (k digestKeys) ofEntry(entry Entry) (digestKey, error) {
	var sum [sha256.Size]byte
	if len(entry.SHA256) != hex.EncodedLen(len(sum)) {
		return digestKey{}, hex.ErrLength
	}
	if _, err := hex.Decode(sum[:], []byte(entry.SHA256)); err != nil {
		return digestKey{}, err
	}
	return k.of(sum), nil
}

// whileValid returns the identity until it expires.
func whileValid(verified identity.Identity, now time.Time) (identity.Identity, error) {
	if !verified.Expires.IsZero() && !now.Before(verified.Expires) {
		return identity.Identity{}, refused("expired at %s", verified.Expires.Format(time.RFC3339))
	}
	return verified, nil
}
