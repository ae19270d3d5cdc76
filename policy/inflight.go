package policy

import (
	"errors"
	"sync"
)

// inFlightCalls let callers that want the same decision at the same time share one
// evaluation. Unlike with x/sync's singleflight, the caller that begins a call may
// run it in its own goroutine, and callers that join it may leave before its end.
type inFlightCalls struct {
	mu    sync.Mutex
	calls map[decisionKey]*inFlightCall
}

// decisionKey stands for a decision: of a rule on an input, or of a placement.
// What is decided under different generations is told apart. The zero key is of
// a decision that is not shared.
type decisionKey struct {
	generation *Generation
	input      string
	placement  placementKey
}

// inFlightCall is one evaluation that has begun and not ended.
type inFlightCall struct {
	done     chan struct{} // closed at its end; nil while no caller waits
	decision decision
	err      error
}

// join returns the call for key. begun reports that the caller began it, and must
// have it run and finished; waits says that the caller, should it begin the call,
// waits for another goroutine to run it.
func (f *inFlightCalls) join(key decisionKey, waits bool) (joined *inFlightCall, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	joined = f.calls[key]
	if joined == nil {
		if f.calls == nil {
			f.calls = map[decisionKey]*inFlightCall{}
		}
		joined, begun = &inFlightCall{}, true
		f.calls[key] = joined
	}
	if joined.done == nil && (waits || !begun) {
		joined.done = make(chan struct{})
	}
	return joined, begun
}

// finish ends a call with its decision or error.
func (f *inFlightCalls) finish(key decisionKey, call *inFlightCall, d decision, err error) {
	call.decision, call.err = d, err
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.calls, key)
	if call.done != nil {
		close(call.done)
	}
}

// errGaveUp says that the caller that evaluated gave up, and that the
// evaluation does not go on.
var errGaveUp = errors.New("the caller that evaluated has given up")
