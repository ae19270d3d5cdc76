package userlist

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Entry is one token in a token file and the user it stands for, in the terms
// of Kubernetes' UserInfo (authentication.k8s.io/v1).
type Entry struct {
	// SHA256 is the SHA-256 of the token, in 64 hexadecimal digits. The file
	// does not hold the token itself.
	SHA256 string `yaml:"sha256"`
	// Username is the user's name. Never empty.
	Username string `yaml:"username"`
	// UID tells apart users that bear one name at different times. May be empty.
	UID string `yaml:"uid,omitempty"`
	// Groups are the user's groups.
	Groups []string `yaml:"groups,omitempty"`
	// Extra is whatever else policies should know of the user.
	Extra map[string][]string `yaml:"extra,omitempty"`
	// Audiences are those the token is good for; empty for no limit.
	Audiences []string `yaml:"audiences,omitempty"`
	// Expires is when the token stops being valid; the zero time for never.
	Expires time.Time `yaml:"expires,omitempty"`
}

// NewEntry returns the entry for token, of a user called username.
func NewEntry(token, username string) Entry {
	sum := sha256.Sum256([]byte(token))
	return Entry{SHA256: hex.EncodeToString(sum[:]), Username: username}
}

// Identity is what the token of the entry proves.
func (e Entry) Identity(source, kind string) (identity.Identity, error) {
	claims, err := e.claims()
	return identity.Identity{
		Source:    source,
		Type:      kind,
		Subject:   e.Username,
		Claims:    claims,
		Audiences: e.Audiences,
		Expires:   e.Expires,
	}, err
}

// claims are the fields that say who the user is, as policies see them.
func (e Entry) claims() (identity.Claims, error) {
	claims := map[string]any{"username": e.Username}
	if e.UID != "" {
		claims["uid"] = e.UID
	}
	if len(e.Groups) > 0 {
		claims["groups"] = e.Groups
	}
	if len(e.Extra) > 0 {
		extra := make(map[string][]string, len(e.Extra))
		for key, values := range e.Extra {
			extra[key] = append([]string{}, values...) // not null
		}
		claims["extra"] = extra
	}
	return identity.ClaimsOf(claims)
}
