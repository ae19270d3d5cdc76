package sources

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

const (
	// TokenPrefix lets secret scanners, and people, tell a token of ours.
	TokenPrefix = "vdt_"
	// tokenRandomBytes are as many as the hash has: no guessing.
	tokenRandomBytes = 32
)

// NewToken returns a new random token: "vdt_" and 43 characters of the URL-safe
// base64 alphabet (RFC 4648), which carry 256 bits.
func NewToken() (string, error) {
	random := make([]byte, tokenRandomBytes)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("making a random token: %w", err)
	}
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(random), nil
}
