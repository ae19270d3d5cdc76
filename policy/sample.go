package policy

import (
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/evaluator"
)

// samples hands decisions of requests to Recheck.
type samples struct {
	// wanted says that Recheck waits for one of offered.
	wanted  atomic.Bool
	offered chan sample
}

func newSamples() samples { return samples{offered: make(chan sample, 1)} }

// sample is a decision of a compiled rule.
type sample struct {
	revision string
	rule     *rule
	query    evaluator.Query
	value    ast.Value
}

// offer gives s to Recheck if it waits for one, and never waits itself.
func (c *samples) offer(s sample) {
	if !c.wanted.CompareAndSwap(true, false) {
		return
	}
	s.query = s.query.Decoded()
	select {
	case c.offered <- s:
	default:
	}
}

// drop drops a sample that was offered to a Recheck that no longer waits: the
// sample holds a request.
func (c *samples) drop(patience time.Duration) {
	if c.wanted.CompareAndSwap(true, false) {
		return
	}
	select {
	case <-c.offered: // has one, or gets it at once
	case <-time.After(patience):
	}
}
