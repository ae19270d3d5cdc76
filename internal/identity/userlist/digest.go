package userlist

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// Key is where a table keeps the token of an entry.
func Key(keys *sealer.Sealer, entry Entry) (sealer.Key, error) {
	var sum [sha256.Size]byte
	if len(entry.SHA256) != hex.EncodedLen(len(sum)) {
		return sealer.Key{}, hex.ErrLength
	}
	if _, err := hex.Decode(sum[:], []byte(entry.SHA256)); err != nil {
		return sealer.Key{}, err
	}
	return keys.Key(sum[:]), nil
}

// WhileValid returns the identity until it expires.
func WhileValid(verified identity.Identity, now time.Time) (identity.Identity, error) {
	if !verified.Expires.IsZero() && !now.Before(verified.Expires) {
		return identity.Identity{}, sources.Refused("expired at %s", verified.Expires.Format(time.RFC3339))
	}
	return verified, nil
}

// What the values that are not shown have to be: such a one may be the token.
const (
	WantDigest = "must be the SHA-256 of the token in 64 hexadecimal digits, and not the token itself"
	WantExpiry = "must be a time after 1970 as in RFC 3339, such as 2030-12-31T23:59:59Z; leave the field out for a token that never expires"
)

// ParseDigest returns the SHA-256 of a token in lower case.
func ParseDigest(text string) (string, bool) {
	digest := strings.ToLower(text)
	_, err := hex.DecodeString(digest)
	return digest, err == nil && len(digest) == hex.EncodedLen(sha256.Size)
}

// ParseExpiry reads when a token expires; false when the text is not as WantExpiry
// says.
func ParseExpiry(text string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, text)
	// The zero time means never, which no user means by the year 1.
	return at, err == nil && at.Unix() > 0
}

// Shown quotes the name of a field, unless it is so long that it may be a token
// in the wrong place.
func Shown(key string) string {
	const longest = 32
	if len(key) > longest {
		return fmt.Sprintf("(a name of %d bytes)", len(key))
	}
	return fmt.Sprintf("%q", key)
}
