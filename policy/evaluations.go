package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// evaluations bound what is evaluated at once. OPA's builtin functions do not look
// at the time, so an evaluation may go on when its caller has given up: it is
// abandoned then, and still counts until it ends.
type evaluations struct {
	underWay atomic.Int64
	// abandoned is how many of them nobody began waits for any more. It is
	// written under mutex.
	abandoned atomic.Int64

	mutex sync.Mutex
	bytes int                // that abandoned ones hold
	of    map[onBehalf]int64 // abandoned ones, by whom they are charged to
}

// Evaluations says how many evaluations are under way, and how many of those go
// on though the caller that began them has given up.
func (e *Engine) Evaluations() (underWay, abandoned int64) {
	return e.evaluations.underWay.Load(), e.evaluations.abandoned.Load()
}

// maxAbandonedBytes bounds what the inputs of abandoned evaluations take together.
const maxAbandonedBytes = 32 << 20

// maxAbandonedEach is how many evaluations that are charged to one name may be
// abandoned before no more are begun for that name.
func maxAbandonedEach() int64 {
	const least = 4
	// One call of the scheduler leaves as many as it ran at once.
	return int64(max(least, runtime.GOMAXPROCS(0)))
}

// begin counts an evaluation that end counts off. It is false, and nothing was
// begun, where there are too many already: at all, or such that were abandoned,
// of what is charged to the same name.
func (e *evaluations) begin(most int64, mayLast bool, of question) bool {
	if mayLast && !e.mayAbandon(of) {
		return false
	}
	if e.underWay.Add(1) > most {
		e.underWay.Add(-1)
		return false
	}
	return true
}

// mayAbandon reports whether one more may be abandoned that is charged to the same name.
func (e *evaluations) mayAbandon(of question) bool {
	if e.abandoned.Load() == 0 {
		return true
	}
	to := of.charge().to
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.of[to] < maxAbandonedEach() && e.bytes < maxAbandonedBytes
}

func (e *evaluations) end() { e.underWay.Add(-1) }

// lasting is an evaluation that may be abandoned.
type lasting struct {
	charge charge
	// abandoned and ended are under the mutex of evaluations.
	abandoned, ended bool
}

// abandon says that the caller of l has given up.
func (e *evaluations) abandon(l *lasting) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if l.ended {
		return
	}
	l.abandoned = true
	if e.of == nil {
		e.of = map[onBehalf]int64{}
	}
	e.of[l.charge.to]++
	e.bytes += l.charge.bytes
	e.abandoned.Add(1)
}

// ended ends an evaluation that may have been abandoned.
func (e *evaluations) ended(l *lasting) {
	e.end()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	l.ended = true
	if !l.abandoned {
		return
	}
	e.abandoned.Add(-1)
	e.bytes -= l.charge.bytes
	if e.of[l.charge.to]--; e.of[l.charge.to] == 0 {
		delete(e.of, l.charge.to)
	}
}

// question is what is evaluated.
type question interface {
	// decide evaluates once, for somebody who asked at now.
	decide(ctx context.Context, now time.Time) (decision, error)
	// detach makes the question one that can be decided when who asked it is gone:
	// it refers to nothing of a request afterwards.
	detach()
	// charge is what deciding is charged to. It is called before detach.
	charge() charge
}

// limit is ctx ended by the engine's own limit where it would go on for longer.
func (v *View) limit(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	limit := v.engine.options.evaluationTimeout()
	if ends, ok := ctx.Deadline(); ok && ends.Sub(now) <= limit {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// alone decides q for one caller: what comes out is not kept, and nobody else
// waits for it. The caller is answered at its deadline at the latest.
func (v *View) alone(ctx context.Context, now time.Time, prompt bool, q question) (decision, error) { //nolint:contextcheck // see below
	evaluations := &v.engine.evaluations
	if !evaluations.begin(v.engine.options.maxEvaluations(), !prompt, q) {
		return decision{}, ErrBusy
	}
	if prompt {
		defer evaluations.end()
		limited, cancel := v.limit(ctx, now)
		defer cancel()
		return q.decide(limited, now)
	}
	running := &lasting{charge: q.charge()}
	q.detach()
	type outcome struct {
		decision decision
		err      error
	}
	done := make(chan outcome, 1)
	// A context of its own: one that is stuck in a builtin function shall not hold
	// on to a request. It ends with the caller, since nobody else wants the result.
	own, cancel := context.WithTimeout(context.Background(), v.engine.options.evaluationTimeout())
	defer cancel()
	go func() {
		d, err := decided(own, now, q)
		evaluations.ended(running)
		done <- outcome{d, err}
	}()
	select {
	case came := <-done:
		return came.decision, came.err
	case <-ctx.Done():
		evaluations.abandon(running)
		return decision{}, ErrTimeout
	}
}

// decided is q.decide in a goroutine of its own, where a panic would end the process.
func decided(ctx context.Context, now time.Time, q question) (d decision, err error) {
	defer func() {
		if recover() != nil {
			d, err = decision{}, errPanicked
		}
	}()
	return q.decide(ctx, now)
}

var errPanicked = &EvaluationError{Code: topdown.InternalErr, Message: "deciding panicked"}

// apart runs do in a goroutine, and leaves it there when ctx ends first: for what
// is no request's, and therefore not counted. left is closed once do has ended.
func apart[T any](ctx context.Context, do func(context.Context) (T, error)) (out T, left <-chan struct{}, err error) {
	type outcome struct {
		value T
		err   error
	}
	done, ended := make(chan outcome, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var o outcome
		defer func() {
			if cause := recover(); cause != nil {
				o.err = &EvaluationError{Code: topdown.InternalErr, Message: fmt.Sprintf("evaluation panicked: %v", cause)}
			}
			done <- o
		}()
		o.value, o.err = do(ctx)
	}()
	select {
	case o := <-done:
		return o.value, ended, o.err
	case <-ctx.Done():
		return out, ended, ErrTimeout
	}
}

// errGaveUp says that the caller that evaluated gave up, and that nobody goes on.
var errGaveUp = errors.New("the caller that evaluated has given up")
