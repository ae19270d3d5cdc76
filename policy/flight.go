package policy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// flights let those who want the same decision at the same time share one
// evaluation. Other than with x/sync's singleflight, who begins one may fly it
// itself, and those who join it need not stay to the end.
type flights struct {
	mu       sync.Mutex
	underWay map[flightKey]*flight
}

// flightKey stands for a decision: of a rule on an input, or of a placement.
// What is decided under different generations is told apart.
type flightKey struct {
	generation *Generation
	input      string
	placement  placementKey
}

// flight is one evaluation that is under way.
type flight struct {
	landed   chan struct{} // closed at its end; nil while nobody waits
	decision decision
	err      error
}

// join returns the flight for key; begun reports whether the caller has to see to
// it that it is flown and lands. Who begins one and does not fly it waits as others do.
func (f *flights) join(key flightKey, waits bool) (joined *flight, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	joined = f.underWay[key]
	if joined == nil {
		if f.underWay == nil {
			f.underWay = map[flightKey]*flight{}
		}
		joined, begun = &flight{}, true
		f.underWay[key] = joined
	}
	if joined.landed == nil && (waits || !begun) {
		joined.landed = make(chan struct{})
	}
	return joined, begun
}

// land ends a flight with what came out.
func (f *flights) land(key flightKey, of *flight, d decision, err error) {
	of.decision, of.err = d, err
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.underWay, key)
	if of.landed != nil {
		close(of.landed)
	}
}

// question is what a flight decides.
type question interface {
	// decide evaluates once, for somebody who asked at now.
	decide(ctx context.Context, now time.Time) (decision, error)
	// detach makes the question one that can be decided when who asked it is gone.
	detach()
}

// once decides q, or waits for who decides the same already. What began earlier
// may have stopped holding at now, when this caller asked, and is not for it.
//
// What ends promptly is decided by the goroutine of its caller, which has a stack
// for it and need not be woken. When a caller gives up, evaluation goes on: others
// may wait for it, and the next one shall find what came out.
func (v *View) once(ctx context.Context, now time.Time, key flightKey, prompt bool, q question) (decision, error) {
	if ctx.Err() != nil {
		return decision{}, ErrTimeout
	}
	for again := false; ; again = true {
		d, err := v.share(ctx, now, key, prompt, q)
		if err != nil || again || !d.expires.passed(now) {
			return d, err
		}
	}
}

func (v *View) share(ctx context.Context, now time.Time, key flightKey, prompt bool, q question) (decision, error) {
	f, begun := v.engine.flights.join(key, !prompt)
	switch {
	case !begun:
	case v.engine.evaluating.Add(1) > v.engine.options.maxEvaluations():
		v.land(key, f, decision{}, ErrBusy)
		return decision{}, ErrBusy
	case prompt:
		return v.flyHere(ctx, now, key, f, q)
	default:
		q.detach()
		go v.fly(key, f, q) //nolint:contextcheck,gosec // it outlives the caller
	}
	select {
	case <-f.landed:
		return f.decision, f.err
	case <-ctx.Done():
		return decision{}, ErrTimeout
	}
}

// fly decides, whoever waits for it or does not.
func (v *View) fly(key flightKey, f *flight, q question) {
	// Nothing of a caller's context may be held on to.
	ctx, cancel := context.WithTimeout(context.Background(), v.engine.options.evaluationTimeout())
	defer cancel()
	d, err := q.decide(ctx, time.Now())
	v.land(key, f, d, err)
}

// flyHere decides for a caller who waits. Where that gives up before the end,
// another goroutine begins anew.
func (v *View) flyHere(ctx context.Context, now time.Time, key flightKey, f *flight, q question) (d decision, err error) {
	limit := v.engine.options.evaluationTimeout()
	limited, cancel := ctx, context.CancelFunc(func() {})
	if ends, ok := ctx.Deadline(); !ok || ends.Sub(now) > limit {
		limited, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	goesOn := false
	err = errPanicked // is what those who wait get, should it come to that
	defer func() {
		if !goesOn {
			v.land(key, f, d, err)
		}
	}()
	d, err = q.decide(limited, now)
	if ctx.Err() != nil && errors.Is(err, ErrTimeout) {
		goesOn = true
		q.detach()
		go v.fly(key, f, q) //nolint:contextcheck,gosec // it outlives the caller
	}
	return d, err
}

var errPanicked = &EvaluationError{Code: topdown.InternalErr, Message: "deciding panicked"}

func (v *View) land(key flightKey, f *flight, d decision, err error) {
	v.engine.evaluating.Add(-1)
	v.engine.flights.land(key, f, d, err)
}
