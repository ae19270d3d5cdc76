package policy

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// evaluations bound what is evaluated at once. OPA's builtin functions do not look
// at the time, so an evaluation may go on when its caller has given up: it is
// abandoned then, and still counts until it ends.
type evaluations struct {
	underWay atomic.Int64
	// abandoned is how many of them go on though the callers that began them
	// have given up. It is written under mutex.
	abandoned atomic.Int64

	mutex sync.Mutex
	bytes int                // that abandoned ones hold
	of    map[onBehalf]int64 // abandoned ones, by the name that they are charged to
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
// begun, where there are too many already: in all, or abandoned ones that are
// charged to the same name.
func (e *evaluations) begin(most int64, mayRunLong bool, of question) bool {
	if mayRunLong && !e.mayAbandon(of) {
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

// longRunning is an evaluation that may be abandoned.
type longRunning struct {
	charge charge
	// abandoned and ended are under the mutex of evaluations.
	abandoned, ended bool
}

// abandon says that the caller of r has given up.
func (e *evaluations) abandon(r *longRunning) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if r.ended {
		return
	}
	r.abandoned = true
	if e.of == nil {
		e.of = map[onBehalf]int64{}
	}
	e.of[r.charge.to]++
	e.bytes += r.charge.bytes
	e.abandoned.Add(1)
}

// ended ends an evaluation that may have been abandoned.
func (e *evaluations) ended(r *longRunning) {
	e.end()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	r.ended = true
	if !r.abandoned {
		return
	}
	e.abandoned.Add(-1)
	e.bytes -= r.charge.bytes
	if e.of[r.charge.to]--; e.of[r.charge.to] == 0 {
		delete(e.of, r.charge.to)
	}
}

// question is what is evaluated.
type question interface {
	// decide evaluates once, for a caller that asked at now.
	decide(ctx context.Context, now time.Time) (decision, error)
	// detach makes the question one that can be decided when its caller is gone: it
	// refers to nothing of a request afterwards.
	detach()
	// charge is what deciding is charged to. It is called before detach.
	charge() charge
}
