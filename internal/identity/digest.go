package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// keyOfEntry is where a table keeps the token of an entry.
func keyOfEntry(keys *sealer.Sealer, entry Entry) (sealer.Key, error) {
	var sum [sha256.Size]byte
	if len(entry.SHA256) != hex.EncodedLen(len(sum)) {
		return sealer.Key{}, hex.ErrLength
	}
	if _, err := hex.Decode(sum[:], []byte(entry.SHA256)); err != nil {
		return sealer.Key{}, err
	}
	return keys.Key(sum[:]), nil
}

// whileValid returns the identity until it expires.
func whileValid(verified identity.Identity, now time.Time) (identity.Identity, error) {
	if !verified.Expires.IsZero() && !now.Before(verified.Expires) {
		return identity.Identity{}, refused("expired at %s", verified.Expires.Format(time.RFC3339))
	}
	return verified, nil
}
