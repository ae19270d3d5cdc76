package jwt

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/policy/identity"
)

// fileKeys are the keys in a JWK set file.
type fileKeys struct {
	files  filewatch.Files
	path   string
	events keyEvents
	set    atomic.Pointer[keySet]
}

func newFileKeys(path string, events keyEvents) *fileKeys {
	k := &fileKeys{path: path, events: events}
	k.files = filewatch.Files{
		Subject: "identity source " + events.source, Paths: []string{path}, Kind: "JWK set file", Create: "create it",
		Limit: maxKeySetBytes, Now: events.now, Take: k.take,
	}
	return k
}

// take puts the keys of a changed file in use.
func (k *fileKeys) take(contents [][]byte) (changed bool, err error) {
	set, err := parseKeySet(contents[0])
	if err != nil {
		return false, fmt.Errorf("JWK set file %s %w", k.path, err)
	}
	// An operator that wants no keys writes an empty list.
	if len(set.keys) == 0 && len(set.unusable) > 0 {
		return false, fmt.Errorf("JWK set file %s: none of its %d keys can verify signatures: %s", k.path, len(set.unusable), describeUnusable(set.unusable))
	}
	set.asked = k.events.now()
	changed = set.replace(k.set.Load())
	k.set.Store(set)
	k.events.metrics.KeysLookedFor(k.events.source, k.events.issuer, nil, set.asked)
	return changed, nil
}

func (k *fileKeys) current() *keySet { return k.set.Load() }

// lookAgain has nothing to do: run sees each change of the file.
func (k *fileKeys) lookAgain(context.Context) error {
	return k.ready()
}

func (k *fileKeys) reportBadSignature() {}

func (k *fileKeys) load(context.Context) error {
	return k.files.Load()
}

func (k *fileKeys) run(ctx context.Context) {
	k.files.Watch(ctx, func() { k.events.changed(k.set.Load()) }, k.events.failed)
}

func (k *fileKeys) ready() error {
	if k.set.Load() != nil {
		return nil
	}
	if err := k.files.Err(); err != nil {
		return fmt.Errorf("%w: %w", identity.ErrNotLoaded, err)
	}
	return fmt.Errorf("identity source %s: %w", k.events.source, identity.ErrNotLoaded)
}

func (k *fileKeys) failure() error { return k.files.Err() }

func (k *fileKeys) status() string {
	err := k.files.Err()
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without the name of the source
	}
	return k.events.status(k.set.Load(), err)
}
