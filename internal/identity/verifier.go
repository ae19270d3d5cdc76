package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// VerifierOptions bound what a Verifier keeps and does at once.
type VerifierOptions struct {
	// TTL is how long a verified token is not verified again, RejectedTTL
	// likewise for one that no source knows; 0 for not at all.
	TTL, RejectedTTL time.Duration
	// Budget is that of the whole process, of which verified tokens have a share,
	// and the others another one: no flood of bad tokens pushes out good ones.
	Budget cache.Budget
	// MaxVerifications bounds the tokens that are verified at once; more are
	// told ErrBusy.
	MaxVerifications int
	// Timeout bounds one verification, which outlives the review that began it.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier asks a Chain about tokens and keeps what it said, by a keyed hash of
// the token: neither a token nor its digest is a key. Concurrent reviews of one
// token verify it once.
type Verifier struct {
	VerifierOptions
	chain     *Chain
	sealer    *sealer.Sealer
	accepted  *cache.Cache[sealer.Key, acceptance]
	rejected  *cache.Cache[sealer.Key, rejection]
	inFlight  singleflight.Group
	verifying atomic.Int64
}

// acceptance holds while the generation of the source that knew the token stays
// what it is. That a source before it would know the token by now changes
// nothing until then.
type acceptance struct {
	identity   identity.Identity
	source     sources.Source
	generation uint64
	hits       prometheus.Counter
}

// rejection holds while no source has changed.
type rejection struct {
	err        error
	generation uint64
	until      time.Time
}

// NewVerifier returns a Verifier that asks chain.
func NewVerifier(chain *Chain, options VerifierOptions) *Verifier {
	if options.Now == nil {
		options.Now = time.Now
	}
	v := &Verifier{VerifierOptions: options, chain: chain, sealer: sealer.New()}
	if options.TTL > 0 {
		v.accepted = cache.New(options.Budget, cache.Identities, func(_ sealer.Key, kept acceptance) int { return sizeOf(&kept.identity) })
	}
	if options.RejectedTTL > 0 {
		v.rejected = cache.New(options.Budget, cache.RejectedTokens, func(_ sealer.Key, kept rejection) int {
			const wrapped = 160 // bytes of what an error wraps, beside its texts
			return wrapped + 2*cache.SizeOf(len(kept.err.Error()))
		})
	}
	return v
}

// sizeOf is about how many bytes an identity refers to, with itself.
func sizeOf(i *identity.Identity) int {
	const itself, header = 288, 16
	claimsSize := 0
	if !i.Claims.IsZero() {
		claimsSize = document.DecodedSizeOf(i.Claims.Text())
	}
	size := itself + cache.SizeOf(len(i.Subject)) + claimsSize
	for _, audience := range i.Audiences {
		size += header + cache.SizeOf(len(audience))
	}
	return size
}

// Ready returns nil when every source is ready, else what is missing: an error
// that is identity.ErrNotLoaded.
func (v *Verifier) Ready() error { return v.chain.Ready() }

// Generation grows whenever Verify may answer differently than before, other
// than by the passing of time.
func (v *Verifier) Generation() uint64 { return v.chain.Generation() }

// CacheStats returns the figures of the caches that there are, by name.
func (v *Verifier) CacheStats() map[cache.Name]func() cache.Stats {
	stats := map[cache.Name]func() cache.Stats{}
	if v.accepted != nil {
		stats[cache.Identities] = v.accepted.Stats
	}
	if v.rejected != nil {
		stats[cache.RejectedTokens] = v.rejected.Stats
	}
	return stats
}

// Verify returns what the token proves. The error is identity.ErrUnknownToken
// when no source knows it, a definite no, and a *identity.NotYetValidError when one
// will; any other is a fault that may pass.
// What is returned is shared, and must not be changed.
func (v *Verifier) Verify(ctx context.Context, text string) (identity.Identity, error) {
	token := sources.ParseToken(text)
	digest := token.SHA256()
	key := v.sealer.Key(digest[:])
	if kept, ok := v.known(key); ok {
		return kept, nil
	}
	if err := v.refused(key); err != nil {
		return identity.Identity{}, err
	}
	// Not the caller's context: callers that wait for the same token must not fail
	// because the first of them has gone.
	detached := context.WithoutCancel(ctx)
	if !v.chain.Waits(token) {
		// What is over in microseconds needs no goroutine of its own.
		verified, err, _ := v.inFlight.Do(string(key[:]), func() (any, error) { return v.verify(detached, token, digest, key) })
		if err != nil {
			return identity.Identity{}, err
		}
		return verified.(identity.Identity), nil
	}
	done := v.inFlight.DoChan(string(key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(detached, v.Timeout)
		defer cancel()
		return v.verify(ctx, token, digest, key)
	})
	select {
	case result := <-done:
		if result.Err != nil {
			return identity.Identity{}, result.Err
		}
		return result.Val.(identity.Identity), nil
	case <-ctx.Done():
		return identity.Identity{}, fmt.Errorf("verifying a token: %w", context.Cause(ctx))
	}
}

func (v *Verifier) known(key sealer.Key) (identity.Identity, bool) {
	kept, ok := v.accepted.Get(key)
	ok = ok && kept.generation == kept.source.Generation() && v.Now().Before(kept.identity.VerifiedUntil)
	v.accepted.Count(ok)
	if ok {
		kept.hits.Inc()
	}
	return kept.identity, ok
}

func (v *Verifier) refused(key sealer.Key) error {
	kept, ok := v.rejected.Get(key)
	ok = ok && kept.generation == v.chain.Generation() && v.Now().Before(kept.until)
	v.rejected.Count(ok)
	if !ok {
		return nil
	}
	return kept.err
}

// verify asks the sources, and keeps what is certain.
func (v *Verifier) verify(ctx context.Context, token *sources.Token, digest [sha256.Size]byte, key sealer.Key) (verified identity.Identity, err error) {
	// It may run in a goroutine of its own, where a panic would end the program.
	defer func() {
		if cause := recover(); cause != nil {
			verified, err = identity.Identity{}, errors.New("an identity source panicked")
		}
	}()
	if v.verifying.Add(1) > int64(v.MaxVerifications) {
		v.verifying.Add(-1)
		return identity.Identity{}, sources.ErrBusy
	}
	defer v.verifying.Add(-1)

	began := v.Now()
	// Read before anybody is asked: what is kept then holds no longer.
	generations := v.chain.generations()
	verified, source, err := v.chain.Verify(ctx, token)
	if err != nil {
		if until := v.rejectedUntil(err, began); until.After(began) {
			v.rejected.Set(key, rejection{err: err, generation: sumOf(generations), until: until})
		}
		return identity.Identity{}, err
	}
	verified.TokenSHA256 = digest
	if verified.VerifiedUntil = began.Add(v.TTL); !verified.Expires.IsZero() && verified.Expires.Before(verified.VerifiedUntil) {
		verified.VerifiedUntil = verified.Expires
	}
	v.accepted.Set(key, acceptance{
		identity: verified, source: source, generation: generations[slices.Index(v.chain.sources, source)],
		hits: v.chain.metrics.KeptBy(source.Name()),
	})
	return verified, nil
}

// rejectedUntil is until when the outcome of a verification holds; it is in the
// past for a fault.
func (v *Verifier) rejectedUntil(err error, began time.Time) time.Time {
	briefly := began.Add(v.RejectedTTL)
	early, ok := errors.AsType[*identity.NotYetValidError](err)
	switch {
	case ok && (early.Fixed || early.From.Before(briefly)):
		return early.From
	case ok, errors.Is(err, identity.ErrUnknownToken):
		return briefly
	}
	return time.Time{}
}
