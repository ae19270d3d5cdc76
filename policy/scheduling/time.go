package scheduling

import (
	"context"
	"fmt"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// enoughToBind is the time that a Binding gets at the least, or this part of a
// call's whole time where that is shorter.
const (
	enoughToBind = time.Second
	partToBind   = 4
)

// timeToBind is how much of the time of a call that begins now has to be left
// for a Binding to be created: one whose answer nobody waits for would leave the
// pod unknown to its scheduler.
func timeToBind(ctx context.Context) time.Duration {
	left, _ := timeLeft(ctx)
	return min(left/partToBind, enoughToBind).Round(time.Millisecond)
}

// timeLeft is how much time the call has; false for any.
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

// timeoutError is a policy.ErrTimeout that says what was waited for: no policy
// was asked for too long.
type timeoutError struct{ err error }

// outOfTime is the error of a call whose time ended while it waited for
// something.
func outOfTime(format string, arguments ...any) error {
	return &timeoutError{fmt.Errorf("the call ran out of time "+format, arguments...)}
}

// Error implements error.
func (e *timeoutError) Error() string { return e.err.Error() }

// Is is for errors.Is.
func (e *timeoutError) Is(target error) bool { return target == policy.ErrTimeout }

// Unwrap is for errors.Is.
func (e *timeoutError) Unwrap() error { return e.err }
