package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// askNextAfter is how long a remote source is waited for before the next one is
// asked beside it: a source that hangs must not keep the others from answering,
// and one that is well should not be asked for another's tokens.
const askNextAfter = 300 * time.Millisecond

// Chain asks several sources for one token: those in memory first, then the
// remote ones, each in the order that was given. The first that knows the token
// decides. Without sources it knows no token.
//
//	token ── empty, or longer than the limit? ──────────────▶ refused
//	  │
//	  ▼  a source whose Applies is false is left out
//	sources in memory, one after the other
//	  tokenFile · secrets · jwt with a JWKS file
//	  │                      knows it ──────────────────────▶ identity
//	  ▼
//	remote sources; the next one is asked beside the others
//	when none has answered for 300 ms
//	  jwt · introspection · http (the latter two behind a Breaker)
//	  │                      first that knows it ───────────▶ identity
//	  ▼
//	none knows it: a fault of some source ──────────────────▶ fault
//	               it is valid later ───────────────────────▶ NotYetValidError
//	               otherwise ───────────────────────────────▶ ErrUnknownToken
//
// A Verifier is before it, and keeps what it said of a token.
type Chain struct {
	sources    []sources.Source
	metrics    *sources.Metrics
	patience   time.Duration
	tokenBytes int
}

// NewChain returns a Chain of the sources.
func NewChain(metrics *sources.Metrics, list ...sources.Source) *Chain {
	ordered := slices.Clone(list)
	slices.SortStableFunc(ordered, func(a, b sources.Source) int { return cmp.Compare(rank(a), rank(b)) })
	return &Chain{sources: ordered, metrics: metrics, patience: askNextAfter, tokenBytes: sources.DefaultTokenBytes}
}

// LimitTokens has longer tokens refused, in bytes, instead of those longer than
// DefaultTokenBytes. It is called before anybody asks.
func (c *Chain) LimitTokens(bytes int) { c.tokenBytes = bytes }

// tooLong reports whether the token is one that no source is asked about.
func (c *Chain) tooLong(token *sources.Token) bool { return len(token.Reveal()) > c.tokenBytes }

func rank(s sources.Source) int {
	if s.Remote() {
		return 1
	}
	return 0
}

// waits reports whether verifying the token may have source wait for another
// host now. A remote source that does not for some tokens has the method Waits.
func waits(source sources.Source, token *sources.Token) bool {
	if some, ok := source.(interface {
		Waits(token *sources.Token) bool
	}); ok {
		return some.Waits(token)
	}
	return source.Remote()
}

// Waits reports whether verifying the token may take as long as another host does.
func (c *Chain) Waits(token *sources.Token) bool {
	return !c.tooLong(token) && slices.ContainsFunc(c.sources, func(source sources.Source) bool { return source.Applies(token) && waits(source, token) })
}

// verification is what one source said.
type verification struct {
	source   sources.Source
	identity identity.Identity
	err      error
}

// Verify returns what the token proves and the source that says so. A fault of
// one source does not keep the others from being asked; it is returned only when
// none of them knows the token, since the faulty one might.
func (c *Chain) Verify(ctx context.Context, token *sources.Token) (identity.Identity, sources.Source, error) {
	switch {
	case token.Reveal() == "":
		return identity.Identity{}, nil, identity.ErrUnknownToken
	case c.tooLong(token):
		return identity.Identity{}, nil, sources.Refused("it has %d bytes, and server.limits.tokenBytes is %d", len(token.Reveal()), c.tokenBytes)
	}
	asking := inquiry{chain: c, token: token, left: c.sources}
	defer asking.end()
	others := ctx
	if c.Waits(token) {
		var cancel context.CancelFunc // of the sources that are still being asked at the end
		others, cancel = context.WithCancel(ctx)
		defer cancel()
	}
	if known := asking.run(ctx, others); known != nil {
		return known.identity, known.source, nil
	}
	if len(asking.faults) > 0 {
		return identity.Identity{}, nil, errors.Join(asking.faults...)
	}
	if asking.early != nil {
		return identity.Identity{}, nil, asking.early
	}
	if len(asking.refusals) > 0 {
		return identity.Identity{}, nil, errors.Join(asking.refusals...)
	}
	return identity.Identity{}, nil, identity.ErrUnknownToken
}

// inquiry is one token going from source to source.
type inquiry struct {
	chain *Chain
	token *sources.Token
	left  []sources.Source // not asked yet
	asked int              // whose answer is awaited
	// For waiting, from the first source on whose answer is awaited.
	answers chan verification
	waited  *time.Timer

	faults []error
	// early says that a source will know the token later on.
	early error
	// refusals say why a source that could have known the token does not.
	refusals []error
}

// run returns the first answer that knows the token, nil when there is none.
// others is the context of those whose answer is awaited.
func (q *inquiry) run(ctx, others context.Context) *verification {
	for {
		if err := ctx.Err(); err != nil {
			q.faults = append(q.faults, fmt.Errorf("verifying a token: %w", context.Cause(ctx)))
			return nil
		}
		source := q.next()
		switch {
		case source == nil && q.asked == 0:
			return nil
		case source == nil:
		case q.asked == 0 && (!waits(source, q.token) || !q.more()):
			// It answers at once, or no other source could be asked meanwhile.
			if known := q.heard(q.chain.ask(ctx, source, q.token)); known != nil {
				return known
			}
			continue
		default:
			q.begin(others, source)
		}
		if known, done := q.wait(ctx); done {
			return known
		}
	}
}

// wait ends when a source answered or it is time to ask the next source; done
// says that the inquiry is over.
func (q *inquiry) wait(ctx context.Context) (known *verification, done bool) {
	waited := q.waited.C
	if !q.more() {
		waited = nil
	}
	select {
	case answer := <-q.answers:
		q.asked--
		known = q.heard(answer)
		return known, known != nil
	case <-waited:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
}

// begin asks a source and does not wait for its answer.
func (q *inquiry) begin(ctx context.Context, source sources.Source) {
	if q.answers == nil {
		q.answers = make(chan verification, len(q.chain.sources))
		q.waited = time.NewTimer(q.chain.patience)
	} else {
		q.waited.Reset(q.chain.patience)
	}
	q.asked++
	go func() { q.answers <- q.chain.ask(ctx, source, q.token) }()
}

func (q *inquiry) end() {
	if q.waited != nil {
		q.waited.Stop()
	}
}

// next takes the next source that the token could be one of; nil for none.
func (q *inquiry) next() sources.Source {
	if !q.more() {
		return nil
	}
	source := q.left[0]
	q.left = q.left[1:]
	return source
}

// more reports whether a source is left to ask, and drops sources that the token cannot be of.
func (q *inquiry) more() bool {
	for len(q.left) > 0 && !q.left[0].Applies(q.token) {
		q.left = q.left[1:]
	}
	return len(q.left) > 0
}

// heard returns the answer when it knows the token.
func (q *inquiry) heard(answer verification) *verification {
	switch {
	case answer.err == nil:
		return &answer
	case sources.IsEarly(answer.err):
		q.early = answer.err
	case !errors.Is(answer.err, identity.ErrUnknownToken):
		q.faults = append(q.faults, answer.err)
	case answer.err != identity.ErrUnknownToken: //nolint:errorlint // only one that says more is of interest
		q.refusals = append(q.refusals, fmt.Errorf("identity source %s: %w", answer.source.Name(), answer.err))
	}
	return nil
}

func (c *Chain) ask(ctx context.Context, source sources.Source, token *sources.Token) (answer verification) {
	began := time.Now()
	answer.source = source
	defer func() {
		// It may run in a goroutine of its own, where a panic would end the program.
		if recover() != nil {
			answer.err = fmt.Errorf("identity source %s panicked", source.Name())
		}
		c.metrics.Verified(source.Name(), answer.err, time.Since(began))
	}()
	answer.identity, answer.err = source.Verify(ctx, token)
	return answer
}

// Ready returns nil when every source is ready.
func (c *Chain) Ready() error {
	var missing []error
	for _, source := range c.sources {
		missing = append(missing, source.Ready())
	}
	return errors.Join(missing...)
}

// Generation grows whenever a source's does.
func (c *Chain) Generation() uint64 {
	var sum uint64
	for _, source := range c.sources {
		sum += source.Generation()
	}
	return sum
}

// generations are those of the sources, in their order, at about one time.
func (c *Chain) generations() []uint64 {
	all := make([]uint64, len(c.sources))
	for i, source := range c.sources {
		all[i] = source.Generation()
	}
	return all
}

func sumOf(generations []uint64) (sum uint64) {
	for _, generation := range generations {
		sum += generation
	}
	return sum
}
