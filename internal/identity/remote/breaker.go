package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Source is a sources.Source that asks another host.
type Source interface {
	sources.Source
	// Probe asks the host about a token that no user has, and returns nil when the host is
	// there and does its work. Its error holds no more than those of Verify do.
	Probe(ctx context.Context) error
}

// BreakerOptions tune a Breaker. The zero value is right for most.
type BreakerOptions struct {
	// Faults is how many faults in a row open the circuit; 0 means 5.
	Faults int
	// MaxInFlight bounds how many tokens the source is asked about at once; 0
	// means 64.
	MaxInFlight int
	// OnOpen reports that the source is not asked from now on, and why; OnClose
	// that it is asked again. Both are called from Run, in turn, and must not
	// block for long.
	OnOpen  func(error)
	OnClose func()
}

const (
	defaultFaults      = 5
	defaultMaxInFlight = 64
	// The first probe comes after about firstProbe, and the pauses between
	// probes double up to lastProbe.
	firstProbe = time.Second
	lastProbe  = 30 * time.Second
	// probeTimeout bounds a probe whose source has no limit of its own.
	probeTimeout = 10 * time.Second
	// stable is how long the circuit stays closed until what went before is
	// forgotten: a host that passes its probes and fails at its work is probed
	// ever less often.
	stable = time.Minute
	// longEnough is how long a source has to have been waited for until the
	// caller's deadline counts against it.
	longEnough = time.Second
)

// Breaker leaves a source alone that failed several times in a row, so that
// tokens it could vouch for are told at once that this cannot be known now,
// instead of each waiting for a host that is down. Run finds out when the host
// is back.
//
// What counts is that the host cannot be reached (no connection, none that is
// trusted, no answer in time), that it fails (a status of 500 and above), and that
// it answers an introspection with 429, which is about Verdict and no token. What
// one token can bring about does not: a refusal, an answer that is odd in whatever
// way, that breaks off or that goes on for too long, another status, the limit of
// the token's own user, or a caller that gives up. So neither a flood of bad
// tokens nor one unusual token keeps other users out.
type Breaker struct {
	source  Source
	metrics *sources.Metrics
	options BreakerOptions

	inFlight atomic.Int64
	running  atomic.Bool
	tripped  chan error // holds one: why the circuit was opened

	mu     sync.Mutex // guards what follows
	faults int        // in a row
	cause  error      // of the open circuit; nil while it is closed
}

var _ sources.Source = (*Breaker)(nil)

// newBreaker returns a Breaker before source. Without Run it only bounds what is
// in flight.
func newBreaker(source Source, metrics *sources.Metrics, options BreakerOptions) *Breaker {
	if options.Faults <= 0 {
		options.Faults = defaultFaults
	}
	if options.MaxInFlight <= 0 {
		options.MaxInFlight = defaultMaxInFlight
	}
	if options.OnOpen == nil {
		options.OnOpen = func(error) {}
	}
	if options.OnClose == nil {
		options.OnClose = func() {}
	}
	metrics.Circuit(source.Name(), false)
	return &Breaker{source: source, metrics: metrics, options: options, tripped: make(chan error, 1)}
}

// Name implements Source.
func (b *Breaker) Name() string { return b.source.Name() }

// Applies implements Source.
func (b *Breaker) Applies(token *sources.Token) bool { return b.source.Applies(token) }

// Remote implements Source.
func (b *Breaker) Remote() bool { return b.source.Remote() }

// Ready implements Source. An open circuit is no reason not to be ready.
func (b *Breaker) Ready() error { return b.source.Ready() }

// Generation implements Source.
func (b *Breaker) Generation() uint64 { return b.source.Generation() }

// Verify implements Source. While the circuit is open it is a fault, without
// asking; so it is, with ErrBusy, when as many tokens are asked about as may be.
func (b *Breaker) Verify(ctx context.Context, token *sources.Token) (identity.Identity, error) {
	if cause := b.Open(); cause != nil {
		return identity.Identity{}, fmt.Errorf("identity source %s is not asked until it is well again: %w", b.Name(), cause)
	}
	defer b.inFlight.Add(-1)
	if b.inFlight.Add(1) > int64(b.options.MaxInFlight) {
		return identity.Identity{}, fmt.Errorf("identity source %s: %w", b.Name(), sources.ErrBusy)
	}
	began := time.Now()
	verified, err := b.source.Verify(ctx, token)
	switch {
	case err == nil, errors.Is(err, identity.ErrUnknownToken), sources.IsEarly(err):
		b.well()
	case ctx.Err() != nil && (!errors.Is(ctx.Err(), context.DeadlineExceeded) || time.Since(began) < longEnough):
		// The caller gave up, which says nothing of the source.
	case IsProvoked(err):
	default:
		b.failed(err)
	}
	return verified, err
}

// Open returns why the circuit is open, nil when it is not.
func (b *Breaker) Open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

func (b *Breaker) well() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = 0
}

func (b *Breaker) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults++
	// Without Run it would never be closed again.
	if b.cause != nil || b.faults < b.options.Faults || !b.running.Load() {
		return
	}
	b.cause = fmt.Errorf("%d faults in a row, the last of them: %w", b.faults, err)
	b.metrics.Circuit(b.Name(), true)
	b.tripped <- b.cause // Run took the one before when it closed the circuit
}

func (b *Breaker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults, b.cause = 0, nil
	b.metrics.Circuit(b.Name(), false)
}

// Run probes the source while the circuit is open, until ctx is done: after
// about a second, then ever less often, down to twice a minute. It is called
// once; nothing is left running on return, and the circuit is closed then.
func (b *Breaker) Run(ctx context.Context) {
	b.running.Store(true)
	defer func() {
		b.running.Store(false)
		b.close()
	}()
	pause, closed := firstProbe, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case cause := <-b.tripped:
			b.options.OnOpen(cause)
		}
		if time.Since(closed) > stable {
			pause = firstProbe
		}
		for !b.probe(ctx, &pause) {
			if ctx.Err() != nil {
				return
			}
		}
		b.close()
		closed = time.Now()
		b.options.OnClose()
	}
}

// probe waits for pause and reports whether the source is well then.
func (b *Breaker) probe(ctx context.Context, pause *time.Duration) bool {
	// Replicas that lost the host together must not come back together.
	jittered := time.Duration(float64(*pause) * (0.75 + rand.Float64()/4)) //nolint:gosec // no secret
	*pause = min(2**pause, lastProbe)
	wait := time.NewTimer(jittered)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return b.source.Probe(ctx) == nil
}

// Provoked is err as a fault that one token could have brought about, from a host
// that is well.
func Provoked(err error) error { return &provoked{err} }

type provoked struct{ error }

// Unwrap implements what errors.Is looks for.
func (p *provoked) Unwrap() error { return p.error }

// IsProvoked reports whether one token could have brought the fault about.
func IsProvoked(err error) bool {
	_, ok := errors.AsType[*provoked](err)
	return ok
}
