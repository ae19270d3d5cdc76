package jwt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/verdict-dev/verdict/policy/identity"
)

const (
	// lookAgainAfter is how long after one fetch ended a token can cause another:
	// a caller that makes up key IDs must not have the issuer asked all the time.
	lookAgainAfter = 10 * time.Second
	// A fetch that failed is repeated after firstRetry, then after twice the time
	// of before up to maxRetry.
	firstRetry, maxRetry = time.Second, time.Minute
)

// remoteKeys are the keys that an issuer publishes over HTTP. The last ones that
// were fetched count for as long as no others can be.
type remoteKeys struct {
	events  keyEvents
	fetcher keyFetcher
	timeout time.Duration // of one fetch

	set      atomic.Pointer[keySet]
	inFlight singleflight.Group // of one fetch at a time
	reports  chan struct{}      // of bad signatures
	failed   chan struct{}      // since run last looked at when it is due

	mu       sync.Mutex
	ended    time.Time // of the latest fetch; zero before the first
	err      error     // of the latest fetch
	failures int       // in a row
	due      time.Time // for the next fetch
	reported string    // what was last reported to events
}

func newRemoteKeys(fetcher keyFetcher, timeout time.Duration, events keyEvents) *remoteKeys {
	return &remoteKeys{events: events, fetcher: fetcher, timeout: timeout, reports: make(chan struct{}, 1), failed: make(chan struct{}, 1)}
}

func (k *remoteKeys) current() *keySet { return k.set.Load() }

// ready returns nil once a fetch has ended, however: the service starts while an
// issuer is down.
func (k *remoteKeys) ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended.IsZero() {
		return fmt.Errorf("identity source %s: keys of %s: %w", k.events.source, k.events.issuer, identity.ErrNotLoaded)
	}
	return nil
}

func (k *remoteKeys) failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *remoteKeys) status() string {
	err := k.failure()
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without whose keys they are
	}
	return k.events.status(k.set.Load(), err)
}

// load never fails because of the issuer; the error is that of ctx.
func (k *remoteKeys) load(ctx context.Context) error {
	k.fetchNow(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// run fetches the keys before their lifetime runs out, and again after a failure.
func (k *remoteKeys) run(ctx context.Context) {
	for {
		wait := time.NewTimer(k.untilDue())
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-k.reports:
			wait.Stop()
			if !k.isFresh() {
				k.fetchNow(ctx)
			}
		case <-k.failed:
			wait.Stop() // it may have been a token's fetch: the next is due sooner
		case <-wait.C:
			// A token may have caused a fetch since.
			if k.untilDue() <= 0 {
				k.fetchNow(ctx)
			}
		}
	}
}

func (k *remoteKeys) untilDue() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.due.Sub(k.events.now())
}

// reportBadSignature makes run fetch the keys soon, for an issuer that gives a new
// key the ID of an old key. The token is refused meanwhile: an issuer should give each
// key an ID of its own, and a forged token looks the same and must not cause a wait.
func (k *remoteKeys) reportBadSignature() {
	if k.isFresh() {
		return
	}
	select {
	case k.reports <- struct{}{}:
	default:
	}
}

// isFresh reports whether the latest fetch ended less than minKeyLifetime ago.
func (k *remoteKeys) isFresh() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.events.now().Before(k.ended.Add(minKeyLifetime))
}

// lookAgain fetches the keys for a token whose key is missing, unless that was done just
// now. Callers that come meanwhile wait for the same fetch.
func (k *remoteKeys) lookAgain(ctx context.Context) error {
	began := k.events.now()
	if err := k.tooEarly(); err != nil {
		return err
	}
	// Not the caller's context: the others must not fail because the first has
	// gone. The fetch ends by its own timeout.
	detached := context.WithoutCancel(ctx)
	done := k.inFlight.DoChan("", func() (any, error) {
		if err := k.tooEarly(); err != nil {
			return nil, err
		}
		return nil, k.fetch(detached)
	})
	select {
	case result := <-done:
		if result.Err == nil && k.set.Load().asked.Before(began) {
			return errLookedJustNow
		}
		return result.Err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the keys of %s: %w", k.events.issuer, context.Cause(ctx))
	}
}

// tooEarly returns an error while no caller may ask again: the one of a fetch that
// failed, else errLookedJustNow.
func (k *remoteKeys) tooEarly() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !k.events.now().Before(k.ended.Add(lookAgainAfter)):
		return nil
	case k.err != nil:
		return k.err
	}
	return errLookedJustNow
}

// fetchNow fetches the keys, or waits for the fetch that is under way.
func (k *remoteKeys) fetchNow(ctx context.Context) {
	_, _, _ = k.inFlight.Do("", func() (any, error) { return nil, k.fetch(ctx) })
}

// fetch is only called as the in-flight call.
func (k *remoteKeys) fetch(ctx context.Context) error {
	bounded, cancel := context.WithTimeoutCause(ctx, k.timeout, fmt.Errorf("no answer within %s", k.timeout))
	defer cancel()
	set, err := k.fetchSafely(bounded)
	if err != nil {
		err = fmt.Errorf("identity source %s: keys of %s: %w", k.events.source, k.events.issuer, err)
		if ctx.Err() != nil {
			return err // no caller waits any more, which says nothing of the issuer
		}
	}
	k.ending(set, err)
	return err
}

// fetchSafely makes an error of a panic: keys are not worth the process.
func (k *remoteKeys) fetchSafely(ctx context.Context) (set *keySet, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			set, err = nil, errors.New("reading the answer panicked")
		}
	}()
	return k.fetcher.fetch(ctx)
}

// ending takes over what a fetch brought, and tells who is to be told.
func (k *remoteKeys) ending(set *keySet, err error) {
	now := k.events.now()
	changed := false
	if err == nil {
		changed = set.replace(k.set.Load())
		k.set.Store(set)
	}

	k.mu.Lock()
	k.ended, k.err = now, err
	if err == nil {
		k.failures = 0
		k.due = set.asked.Add(set.lifetime * 8 / 10).Add(jitter(set.lifetime / 10))
		if len(set.keys) == 0 {
			// The issuer's word, but hardly its intention.
			err = fmt.Errorf("identity source %s: keys of %s: none of its %d keys can verify signatures: %s", k.events.source, k.events.issuer, len(set.unusable), describeUnusable(set.unusable))
		}
	} else {
		retry := min(firstRetry<<min(k.failures, 10), maxRetry)
		k.failures++
		k.due = now.Add(retry).Add(jitter(retry / 4))
	}
	cause := ""
	if err != nil {
		cause = err.Error()
	}
	isNew := cause != k.reported
	k.reported = cause
	failed := k.err
	k.mu.Unlock()

	k.events.metrics.KeysLookedFor(k.events.source, k.events.issuer, failed, now)
	if changed {
		k.events.changed(set)
	}
	if failed != nil {
		select {
		case k.failed <- struct{}{}:
		default:
		}
	}
	if err != nil && isNew {
		k.events.failed(err)
	}
}

// jitter is a random part of a time, so that replicas do not ask in step.
func jitter(upTo time.Duration) time.Duration {
	return rand.N(upTo + 1) //nolint:gosec // nothing is to be secret
}
