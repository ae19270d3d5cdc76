package policy

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Loading is what is being compiled or waits for that, the oldest first.
func (e *Engine) Loading() []LoadStatus {
	l := &e.loads
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.running)
	if l.waiting != nil && !l.waiting.settled {
		all = append(all, l.waiting)
	}
	out := make([]LoadStatus, 0, len(all))
	for _, each := range all {
		out = append(out, LoadStatus{Revision: each.id, Since: each.began, Stage: *each.stage.Load(), Abandoned: each.settled})
	}
	return out
}

// Load compiles content and makes it the current revision. Content equal to
// the running one changes nothing. An error is a *LoadError, or ErrOvertaken.
func (e *Engine) Load(ctx context.Context, content Content) error {
	return <-e.Begin(ctx, content)
}

// Begin is Load for a caller that does not wait: what it returns gives one error
// or nil. Of two calls the content of the later one is the newer.
//
// Options.LoadTimeout bounds the time to the outcome, counted from when the
// compiler takes the content up; where ctx ends, the load ends too.
func (e *Engine) Begin(ctx context.Context, content Content) <-chan error {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &load{
		content: content, id: contentID(content, e.options), began: time.Now(),
		ctx: ctx, cancel: cancel, outcome: make(chan error, 1),
	}
	l.doing("waiting for earlier changes that are still being compiled")
	context.AfterFunc(ctx, func() { e.giveUp(l, canceled(ctx)) })
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	e.loads.newest++
	l.change = e.loads.newest
	if before := e.loads.waiting; before != nil {
		before.settle(ErrOvertaken)
	}
	e.loads.waiting = l
	e.startLoad()
	return l.outcome
}

// startLoad takes up what waits, if there is room. The lock of loads is held.
func (e *Engine) startLoad() {
	l := e.loads.waiting
	if l == nil || len(e.loads.running) >= maxLoads {
		return
	}
	e.loads.waiting = nil
	if l.settled {
		return
	}
	e.loads.running = append(e.loads.running, l)
	l.doing("beginning")
	c := e.loads.buildCache.clone()
	limit := e.options.loadTimeout()
	l.timer = time.AfterFunc(limit, func() { e.giveUp(l, tooLong(l, limit)) })
	go e.runLoad(l, &c)
}

// runLoad compiles and settles the outcome.
func (e *Engine) runLoad(l *load, c *buildCache) {
	began := time.Now()
	revision, err := l.build(c, e.options)
	l.content = Content{} // stages of the compiler hold on to l
	l.timer.Stop()
	e.loads.settling.Lock()
	defer e.loads.settling.Unlock()
	defer e.endLoad(l)
	// Before the outcome: a caller that gets it may begin the next change at once.
	e.keepBuildCache(l, c, err)
	if err == nil {
		// A panic from here on is a fault of the load too.
		_, err = guarded(l, func() (struct{}, error) {
			e.settle(l, revision, time.Since(began))
			return struct{}{}, nil
		})
	}
	if err != nil {
		e.refuse(l, err)
	}
}

// settle makes revision the running one, unless the load has been given up or a
// newer one is running. The lock settling is held.
func (e *Engine) settle(l *load, revision *Revision, took time.Duration) {
	e.loads.mu.Lock()
	late := l.settled || l.change < e.loads.loaded
	e.loads.mu.Unlock()
	if late {
		e.refuse(l, ErrOvertaken)
		return
	}
	replaced := e.replace(revision)
	e.loads.mu.Lock()
	e.loads.loaded = l.change
	if l.change > e.loads.refused {
		e.fault.Store(nil)
	}
	for _, other := range e.loads.running {
		if other.change < l.change {
			other.settle(ErrOvertaken)
		}
	}
	e.loads.mu.Unlock()
	if replaced {
		e.observer.RevisionLoaded(revision, took)
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	l.settle(nil)
}

// refuse gives the load an error as its outcome, if it has none, and reports it
// to the observer where no newer change has one. The lock settling is held.
func (e *Engine) refuse(l *load, err error) {
	e.loads.mu.Lock()
	report := !l.settled && !l.ended(err) && e.loads.refuses(l.change)
	if report {
		e.fault.Store(&Fault{Err: err, Time: time.Now()})
	}
	e.loads.mu.Unlock()
	if report {
		e.observer.RevisionRefused(err)
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	l.settle(err)
}

// giveUp refuses a load whose goroutine goes on until the next stage, where OPA's
// compiler can be stopped.
func (e *Engine) giveUp(l *load, err error) {
	e.loads.settling.Lock()
	defer e.loads.settling.Unlock()
	e.refuse(l, err)
}

// endLoad takes up the next change in the place of l.
func (e *Engine) endLoad(l *load) {
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	e.loads.running = slices.DeleteFunc(e.loads.running, func(other *load) bool { return other == l })
	l.cancel(nil)
	e.startLoad()
}

// keepBuildCache has the next load begin with what this one left behind. A load that
// panicked leaves nothing, since it may have stopped anywhere.
func (e *Engine) keepBuildCache(l *load, c *buildCache, err error) {
	var failed *LoadError
	if errors.As(err, &failed) && failed.Stack != nil {
		return
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	if l.change > e.loads.buildCacheOf {
		e.loads.buildCache, e.loads.buildCacheOf = *c, l.change
	}
}
