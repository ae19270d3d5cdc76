package remote

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
