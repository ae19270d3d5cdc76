package policy

import (
	"errors"
	"time"
)

// ErrUnknownToken says that a token is not, or no longer, one that an identity
// source vouches for: a definite no. Any other error of a verification is a
// fault that may pass.
var ErrUnknownToken = errors.New("unknown token")

// Identity is what a verified token proves. Policies see it as
// `input.identity`; the token itself they never see.
type Identity struct {
	// Source is the configured name of the identity source that verified the token.
	Source string
	// Type is the kind of that source: "tokenFile".
	Type string
	// Subject is the source's own name for the caller. Never empty.
	Subject string
	// Claims are what the source says of the subject, as decoded JSON
	// (string, float64, bool, nil, []any, map[string]any). May be nil.
	Claims map[string]any
	// Audiences are those the token is good for; empty means the source
	// does not limit it, which Kubernetes reads as "the API server's own".
	Audiences []string
	// Expires is when the token stops being valid; the zero time means never.
	Expires time.Time
}
