package jwt

import (
	"context"
	"errors"
)

// keyring is where the keys of an issuer, or of several, come from.
type keyring interface {
	// current is what is known now; nil when nothing ever was.
	current() *keySet
	// lookAgain looks for keys newer than the current ones. After nil, a key that
	// current does not have is not there. errLookedJustNow says that it is too
	// early to look again, or that the look began before the call; any other error
	// that it is not known what keys there are.
	lookAgain(ctx context.Context) error
	// reportBadSignature says that the signature of a token was not made with the key
	// that the token names: the issuer may have replaced that key. It does not wait.
	reportBadSignature()
	// load looks for the first time. It returns an error only where it makes no
	// sense to go on.
	load(ctx context.Context) error
	// run keeps the keys up to date until ctx is done.
	run(ctx context.Context)
	ready() error
	// failure is why the latest look failed, nil when it did not.
	failure() error
	// status is one line for people.
	status() string
}

var errLookedJustNow = errors.New("its keys were fetched a moment ago, perhaps before this token's key was published")
