package sources

import (
	"context"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Source verifies tokens of one kind. Its methods may be called from several
// goroutines.
type Source interface {
	// Name is the configured name, which metrics, logs and policies use.
	Name() string
	// Applies takes a cheap look at the token's shape and reports whether the
	// source could vouch for it. It verifies nothing and asks no host.
	Applies(token *Token) bool
	// Verify returns what token proves, an error that is
	// identity.ErrUnknownToken when it proves nothing (a definite no), and any
	// other error when that cannot be told now. No error holds the token, or
	// anything that was sent or received in the course of verifying it.
	//
	// Source, Type, Subject, Claims, Audiences and Expires of what it returns
	// are the source's to set; the caller sets the other fields.
	Verify(ctx context.Context, token *Token) (identity.Identity, error)
	// Remote reports whether Verify may wait for another host.
	Remote() bool
	// Ready returns nil when the source can verify, else what is missing: an
	// error that is identity.ErrNotLoaded. A host that is down is no reason:
	// Verify returns a fault then.
	Ready() error
	// Generation grows whenever Verify may answer differently than before. An
	// identity may be kept for as long as the generation, read before the call,
	// stays the same (and the identity does not expire).
	Generation() uint64
}
