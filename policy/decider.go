package policy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// decider is what the views of an engine share to decide: what is kept, what is
// being evaluated, and the limits of both.
type decider struct {
	options     Options
	kept        *decisions
	classes     *nodes.Cache
	numbers     atomic.Uint64 // of generations and classes
	inFlight    inFlightCalls
	evaluations evaluations
	samples     samples
}

func newDecider(options Options) *decider {
	options.patterns = newPatterns(options.Cache.budget())
	x := &decider{options: options, kept: newDecisions(options.Cache), samples: newSamples()}
	x.classes = nodes.NewCache(options.Cache.budget(), x.number)
	return x
}

// decide decides q, within the time of ctx and the bounds of the engine, whether or
// not the decision is kept. With a key it may wait for a call that already decides
// the same. A decision of an earlier call may have stopped holding at now, when this
// caller asked: then it is not for this caller.
//
// A question that is decided promptly is decided by the goroutine of its caller,
// which has a stack for it and need not be woken. When a caller gives up, a shared
// evaluation goes on: other callers may wait for it, and the next caller finds its
// decision kept.
func (x *decider) decide(ctx context.Context, now time.Time, key decisionKey, prompt bool, q question) (decision, error) {
	if ctx.Err() != nil {
		return decision{}, ErrTimeout
	}
	if key == (decisionKey{}) {
		return x.decideAlone(ctx, now, prompt, q)
	}
	for again := false; ; {
		d, err := x.decideShared(ctx, now, key, prompt, q)
		switch {
		case errors.Is(err, errGaveUp) && ctx.Err() == nil: // this caller has more time
		case errors.Is(err, errGaveUp):
			return decision{}, ErrTimeout
		case err != nil || again || !d.expires.passed(now):
			return d, err
		default:
			again = true
		}
	}
}

// decideShared decides q, or waits for the call in flight that decides the same.
func (x *decider) decideShared(ctx context.Context, now time.Time, key decisionKey, prompt bool, q question) (decision, error) {
	call, begun := x.inFlight.join(key, !prompt)
	var running *longRunning
	switch {
	case !begun:
	case !x.evaluations.begin(x.options.maxEvaluations(), !prompt, q):
		x.inFlight.finish(key, call, decision{}, ErrBusy)
		return decision{}, ErrBusy
	case prompt:
		return x.runHere(ctx, now, key, call, q)
	default:
		running = &longRunning{charge: q.charge()}
		q.detach()
		go x.runDetached(key, call, q, running) //nolint:contextcheck,gosec // it outlives the caller
	}
	select {
	case <-call.done:
		return call.decision, call.err
	case <-ctx.Done():
		if running != nil {
			x.evaluations.abandon(running)
		}
		return decision{}, ErrTimeout
	}
}

// runDetached decides in a goroutine of its own, also when no caller waits for it.
func (x *decider) runDetached(key decisionKey, call *inFlightCall, q question, running *longRunning) {
	// Nothing of a caller's context may be held on to.
	ctx, cancel := context.WithTimeout(context.Background(), x.options.evaluationTimeout())
	defer cancel()
	d, err := decided(ctx, time.Now(), q)
	x.evaluations.ended(running)
	x.inFlight.finish(key, call, d, err)
}

// runHere decides in the goroutine of a caller, which waits. When that caller gives
// up before the end, another goroutine begins again, unless too much is charged to
// the caller already.
func (x *decider) runHere(ctx context.Context, now time.Time, key decisionKey, call *inFlightCall, q question) (d decision, err error) {
	limited, cancel := x.limit(ctx, now)
	defer cancel()
	goesOn := false
	err = errPanicked // what the callers that wait get after a panic
	defer func() {
		if !goesOn {
			x.evaluations.end()
			x.inFlight.finish(key, call, d, err)
		}
	}()
	d, err = q.decide(limited, now)
	switch {
	case ctx.Err() == nil || !errors.Is(err, ErrTimeout):
	case !x.evaluations.mayAbandon(q):
		err = errGaveUp
	default:
		goesOn = true
		running := &longRunning{charge: q.charge()}
		q.detach()
		x.evaluations.abandon(running)
		go x.runDetached(key, call, q, running) //nolint:contextcheck,gosec // it outlives the caller
	}
	return d, err
}

// limit is ctx ended by the engine's own limit where it would go on for longer.
func (x *decider) limit(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	limit := x.options.evaluationTimeout()
	if ends, ok := ctx.Deadline(); ok && ends.Sub(now) <= limit {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// decideAlone decides q for one caller: the decision is not kept, and no other
// caller waits for it. The caller is answered at its deadline at the latest.
func (x *decider) decideAlone(ctx context.Context, now time.Time, prompt bool, q question) (decision, error) { //nolint:contextcheck // see below
	evaluations := &x.evaluations
	if !evaluations.begin(x.options.maxEvaluations(), !prompt, q) {
		return decision{}, ErrBusy
	}
	if prompt {
		defer evaluations.end()
		limited, cancel := x.limit(ctx, now)
		defer cancel()
		return q.decide(limited, now)
	}
	running := &longRunning{charge: q.charge()}
	q.detach()
	type outcome struct {
		decision decision
		err      error
	}
	done := make(chan outcome, 1)
	// A context of its own: an evaluation that is stuck in a builtin function must
	// not hold on to a request. It ends with the caller: no other one wants the result.
	own, cancel := context.WithTimeout(context.Background(), x.options.evaluationTimeout())
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

func (x *decider) newGeneration() *Generation {
	return &Generation{id: x.number()}
}

// number returns one that nothing else of the engine has.
func (x *decider) number() uint64 { return x.numbers.Add(1) }
