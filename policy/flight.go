package policy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// flights let those who want the same decision at the same time share one
// evaluation. Other than with x/sync's singleflight, who begins one may fly it
// itself, and those who join it need not stay to the end.
type flights struct {
	mu       sync.Mutex
	underWay map[flightKey]*flight
}

// flightKey stands for a decision: of a rule on an input, or of a placement.
// What is decided under different generations is told apart. The zero key is of
// a decision that nobody shares.
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

// once decides q, within the time of ctx and the bounds of the engine, whether or
// not what comes out is kept. With a key it may wait for who decides the same
// already. What began earlier may have stopped holding at now, when this caller
// asked, and is not for it.
//
// What ends promptly is decided by the goroutine of its caller, which has a stack
// for it and need not be woken. When a caller gives up, a shared evaluation goes
// on: others may wait for it, and the next one shall find what came out.
func (v *View) once(ctx context.Context, now time.Time, key flightKey, prompt bool, q question) (decision, error) {
	if ctx.Err() != nil {
		return decision{}, ErrTimeout
	}
	if key == (flightKey{}) {
		return v.alone(ctx, now, prompt, q)
	}
	for again := false; ; {
		d, err := v.share(ctx, now, key, prompt, q)
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

func (v *View) share(ctx context.Context, now time.Time, key flightKey, prompt bool, q question) (decision, error) {
	f, begun := v.engine.flights.join(key, !prompt)
	var running *lasting
	switch {
	case !begun:
	case !v.engine.evaluations.begin(v.engine.options.maxEvaluations(), !prompt, q):
		v.engine.flights.land(key, f, decision{}, ErrBusy)
		return decision{}, ErrBusy
	case prompt:
		return v.flyHere(ctx, now, key, f, q)
	default:
		running = &lasting{charge: q.charge()}
		q.detach()
		go v.fly(key, f, q, running) //nolint:contextcheck,gosec // it outlives the caller
	}
	select {
	case <-f.landed:
		return f.decision, f.err
	case <-ctx.Done():
		if running != nil {
			v.engine.evaluations.abandon(running)
		}
		return decision{}, ErrTimeout
	}
}

// fly decides, whoever waits for it or does not.
func (v *View) fly(key flightKey, f *flight, q question, running *lasting) {
	// Nothing of a caller's context may be held on to.
	ctx, cancel := context.WithTimeout(context.Background(), v.engine.options.evaluationTimeout())
	defer cancel()
	d, err := decided(ctx, time.Now(), q)
	v.engine.evaluations.ended(running)
	v.engine.flights.land(key, f, d, err)
}

// flyHere decides for a caller who waits. Where that gives up before the end,
// another goroutine begins anew, unless too much is charged to the caller already.
func (v *View) flyHere(ctx context.Context, now time.Time, key flightKey, f *flight, q question) (d decision, err error) {
	limited, cancel := v.limit(ctx, now)
	defer cancel()
	goesOn := false
	err = errPanicked // is what those who wait get, should it come to that
	defer func() {
		if !goesOn {
			v.engine.evaluations.end()
			v.engine.flights.land(key, f, d, err)
		}
	}()
	d, err = q.decide(limited, now)
	switch {
	case ctx.Err() == nil || !errors.Is(err, ErrTimeout):
	case !v.engine.evaluations.mayAbandon(q):
		err = errGaveUp
	default:
		goesOn = true
		running := &lasting{charge: q.charge()}
		q.detach()
		v.engine.evaluations.abandon(running)
		go v.fly(key, f, q, running) //nolint:contextcheck,gosec // it outlives the caller
	}
	return d, err
}
