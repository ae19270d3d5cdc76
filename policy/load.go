package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// ErrOvertaken says that content did not become a revision: newer content became one
// before it was compiled.
var ErrOvertaken = errors.New("a newer change of the policies was loaded first")

// load is one change on its way to become a revision.
type load struct {
	content Content
	id      string
	change  uint64
	began   time.Time
	ctx     context.Context //nolint:containedctx // it is that of a goroutine, which the load stands for
	cancel  context.CancelCauseFunc
	timer   *time.Timer // nil while it waits
	stage   atomic.Pointer[string]
	// settled says that the load has its outcome, though its goroutine may still run;
	// guarded by loads.mu.
	settled bool
	// outcome takes one error or nil, and its sender does not wait.
	outcome chan error
	// suspects are the files that changed since the last load; nil until they are known.
	suspects atomic.Pointer[[]string]
	// file is being parsed, or has the rule that is being analysed; "" where it is
	// not known. Only the goroutine that compiles uses it.
	file string
}

// LoadStatus is a change of policies that is being compiled, or waits for that.
type LoadStatus struct {
	// Revision is the ID that the content has, see Revision.ID.
	Revision string
	// Since is when the change was delivered.
	Since time.Time
	// Stage is what is being done, such as "OPA's compiler: CheckTypes".
	Stage string
	// Abandoned says that the change has been refused for want of time, or a newer
	// one became the running revision: what still compiles cannot be stopped, and
	// its result is dropped.
	Abandoned bool
}

// String says it in one line.
func (s LoadStatus) String() string {
	what := "a change is being loaded"
	if s.Abandoned {
		what = "a change that was given up is still being compiled"
	}
	return fmt.Sprintf("%s since %s: revision %s, %s", what, s.Since.UTC().Format(time.RFC3339), s.Revision, s.Stage)
}

// ended says that err is no fault of the content: the caller has gone, or newer
// content is there.
func (l *load) ended(err error) bool { return l.ctx.Err() != nil || errors.Is(err, ErrOvertaken) }

// settle gives l its outcome, if it has none, and ends what it does at the next
// stage. The lock of loads is held.
func (l *load) settle(err error) {
	if l.settled {
		return
	}
	l.settled = true
	l.outcome <- err
	l.cancel(errSettled)
}

// errSettled ends what a load that has its outcome is still about.
var errSettled = errors.New("the load has its outcome")

// doing says what the goroutine of l is about.
func (l *load) doing(stage string) { l.stage.Store(&stage) }

// checkpoint ends a load that has been given up.
func (l *load) checkpoint() error {
	if l.ctx.Err() == nil {
		return nil
	}
	return canceled(l.ctx)
}

// tooLong is the error of a load that was given up for want of time.
func tooLong(l *load, limit time.Duration) error {
	return &LoadError{Problems: []Problem{{Message: fmt.Sprintf(
		"loading took longer than policy.loadTimeout, %v, and was given up at: %s; changed were %s",
		limit, *l.stage.Load(), l.changes())}}}
}

func canceled(ctx context.Context) error {
	return &LoadError{Problems: []Problem{{Message: fmt.Sprintf("loading was given up: %v", context.Cause(ctx))}}}
}

// changes lists the files that changed since the last load.
func (l *load) changes() string {
	const shown = 5
	known := l.suspects.Load()
	if known == nil || len(*known) == 0 {
		return "no policy file"
	}
	suspects := *known
	if len(suspects) > shown {
		return fmt.Sprintf("%s and %d more files", strings.Join(suspects[:shown], ", "), len(suspects)-shown)
	}
	return strings.Join(suspects, ", ")
}
