package identity

import (
	"errors"
	"time"
)

// ErrUnknownToken says that a token is not, or no longer, one that an identity
// source vouches for: a definite no. Any other error of a verification is a
// fault that may pass.
var ErrUnknownToken = errors.New("unknown token")

// ErrUnreachable says that an identity source could not be reached: there was no
// connection, or none to a host that is trusted, or no answer in time.
var ErrUnreachable = errors.New("could not be reached")

// ErrNotLoaded says that an identity source has not been read for the first
// time, so that it cannot tell.
var ErrNotLoaded = errors.New("not loaded yet")

// NotYetValidError says that a token is sound, and valid from an instant on. It
// is no definite no, since waiting helps.
type NotYetValidError struct {
	// From is the first instant at which the token is accepted.
	From time.Time
	// Fixed says that the token itself says so, and not a service that may say
	// something else when it is asked again.
	Fixed bool
}

// Error implements error.
func (e *NotYetValidError) Error() string {
	return "the token is not valid before " + e.From.UTC().Format(time.RFC3339)
}
