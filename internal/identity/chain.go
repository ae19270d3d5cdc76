package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/verdict-dev/verdict/policy"
)

// Source verifies tokens. Its methods may be called from several goroutines.
type Source interface {
	// Verify returns what token proves, an error that is
	// policy.ErrUnknownToken when it proves nothing, and any other error when
	// that cannot be told now.
	Verify(ctx context.Context, token string) (policy.Identity, error)
	// Ready returns nil when the source can verify, else what is missing.
	Ready() error
	// Generation grows whenever Verify may answer differently than before. An
	// answer may be kept for as long as the generation, read before the call,
	// stays the same (and the identity does not expire).
	Generation() uint64
}

// Chain asks several sources in order; the first that knows a token decides.
// Without sources it knows no token.
type Chain struct {
	sources []Source
}

var _ Source = (*Chain)(nil)

// NewChain returns a Chain of the sources, asked in that order.
func NewChain(sources ...Source) *Chain {
	return &Chain{sources: sources}
}

// Verify implements Source. A fault of one source does not keep the others from
// being asked; it is returned only when none of them knows the token, since the
// faulty one might.
func (c *Chain) Verify(ctx context.Context, token string) (policy.Identity, error) {
	var faults []error
	for _, source := range c.sources {
		if ctx.Err() != nil {
			faults = append(faults, fmt.Errorf("verifying a token: %w", context.Cause(ctx)))
			break
		}
		verified, err := source.Verify(ctx, token)
		switch {
		case err == nil:
			return verified, nil
		case !errors.Is(err, policy.ErrUnknownToken):
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return policy.Identity{}, errors.Join(faults...)
	}
	return policy.Identity{}, policy.ErrUnknownToken
}

// Ready implements Source: it returns nil when every source is ready.
func (c *Chain) Ready() error {
	var missing []error
	for _, source := range c.sources {
		missing = append(missing, source.Ready())
	}
	return errors.Join(missing...)
}

// Generation implements Source.
func (c *Chain) Generation() uint64 {
	var sum uint64
	for _, source := range c.sources {
		sum += source.Generation()
	}
	return sum
}
