package remote

import "github.com/verdict-dev/verdict/internal/identity/sources"

// What tests of sources read.
const (
	DefaultFaults  = defaultFaults
	MaxHeaderBytes = maxHeaderBytes
)

// Faults is how many faults there were in a row.
func (b *Breaker) Faults() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

// Running reports whether Run was called.
func (b *Breaker) Running() bool { return b.running.Load() }

// NewBreaker is newBreaker.
func NewBreaker(source Source, metrics *sources.Metrics, options BreakerOptions) *Breaker {
	return newBreaker(source, metrics, options)
}
