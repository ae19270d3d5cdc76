package scheduling

import (
	"context"
	"fmt"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// enoughToBind is the least time that a Binding gets. For a call with little time it is
// a part of that time.
const (
	enoughToBind = time.Second
	partToBind   = 4
)

// timeToBind returns how much time must be left to create a Binding, for a call that
// begins now. If the call ended before the answer to the Binding, the scheduler would
// not learn that the pod is bound.
func timeToBind(ctx context.Context) time.Duration {
	left, _ := timeLeft(ctx)
	return min(left/partToBind, enoughToBind).Round(time.Millisecond)
}

// timeLeft returns how much time the call has; false when it has no limit.
func timeLeft(ctx context.Context) (left time.Duration, limited bool) {
	at, limited := ctx.Deadline()
	if !limited {
		return 0, false
	}
	return time.Until(at).Round(time.Millisecond), true
}

// pause waits, at most until ctx is done.
func pause(ctx context.Context, by time.Duration) error {
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// timeoutError is a policy.ErrTimeout that says for what the call waited, in place of
// the evaluation of a policy.
type timeoutError struct{ err error }

// outOfTime returns the error of a call whose time ended while it waited.
func outOfTime(format string, arguments ...any) error {
	return &timeoutError{fmt.Errorf("the call ran out of time "+format, arguments...)}
}

// Error implements error.
func (e *timeoutError) Error() string { return e.err.Error() }

// Is is for errors.Is.
func (e *timeoutError) Is(target error) bool { return target == policy.ErrTimeout }

// Unwrap is for errors.Is.
func (e *timeoutError) Unwrap() error { return e.err }
