package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// defaultLoadTimeout is for an Options that gives none.
const defaultLoadTimeout = time.Minute

// maxLoads bounds the loads that compile at the same time, those included that
// were given up: OPA's compiler cannot be stopped within one of its stages.
const maxLoads = 3

// ErrOvertaken says that content did not become a revision since newer content
// did before it was compiled.
var ErrOvertaken = errors.New("a newer change of the policies was loaded first")

// loads are the changes of an engine that are being compiled, and those before
// them. A newer change does not wait for an older one: both compile, what is done
// first becomes the running revision, and an older change never replaces a newer one.
type loads struct {
	// settling serialises the outcomes, so that they and what the observer is told
	// come one after the other. It is locked before mu.
	settling sync.Mutex

	mu sync.Mutex
	// newest counts changes: content and faults of sources.
	newest uint64
	// loaded and refused are the newest changes that became the running revision,
	// and that were refused.
	loaded, refused uint64
	running         []*load
	// waiting is the newest change where maxLoads are running, nil for none.
	waiting *load
	// carried is what change carriedBy left behind. A load takes a copy of it.
	carried   carried
	carriedBy uint64
}

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
	// settled says that the load has its outcome, whatever its goroutine still does;
	// guarded by loads.mu.
	settled bool
	// outcome takes one error or nil, and whoever sends it does not wait.
	outcome chan error
	// suspects are the files that changed since the last load; nil until they are known.
	suspects atomic.Pointer[[]string]
	// file is being parsed, or has the rule that is being analysed; "" where it is
	// not known. It is for the goroutine that compiles alone.
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
	c := e.loads.carried.clone()
	limit := e.options.loadTimeout()
	l.timer = time.AfterFunc(limit, func() { e.giveUp(l, tooLong(l, limit)) })
	go e.runLoad(l, &c)
}

// runLoad compiles and settles the outcome.
func (e *Engine) runLoad(l *load, c *carried) {
	began := time.Now()
	revision, err := l.build(c, e.options)
	l.content = Content{} // stages of the compiler hold on to l
	l.timer.Stop()
	e.loads.settling.Lock()
	defer e.loads.settling.Unlock()
	defer e.endLoad(l)
	// Before the outcome, since whoever is told of that may bring the next change.
	e.keepCarried(l, c, err)
	if err == nil {
		// What goes wrong from here on is no less a fault of the load.
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

// refuse gives the load an error as its outcome, if it has none, and tells of it
// where nothing newer has one. The lock settling is held.
func (e *Engine) refuse(l *load, err error) {
	e.loads.mu.Lock()
	told := !l.settled && !l.ended(err) && e.loads.refuses(l.change)
	if told {
		e.fault.Store(&Fault{Err: err, Time: time.Now()})
	}
	e.loads.mu.Unlock()
	if told {
		e.observer.RevisionRefused(err)
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	l.settle(err)
}

// ended says that err is no fault of the content: the caller has gone, or newer
// content is there.
func (l *load) ended(err error) bool { return l.ctx.Err() != nil || errors.Is(err, ErrOvertaken) }

// refuses notes that change was refused, and reports whether nothing newer has
// an outcome. The lock of l is held.
func (l *loads) refuses(change uint64) bool {
	if change < l.loaded || change <= l.refused {
		return false
	}
	l.refused = change
	return true
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

// keepCarried has the next load begin with what this one left behind. A load that
// panicked leaves nothing, since it may have stopped anywhere.
func (e *Engine) keepCarried(l *load, c *carried, err error) {
	var failed *LoadError
	if errors.As(err, &failed) && failed.Stack != nil {
		return
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	if l.change > e.loads.carriedBy {
		e.loads.carried, e.loads.carriedBy = *c, l.change
	}
}

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

// clone is a copy that can be changed while the original is in use. What it holds
// is only read.
func (c *carried) clone() carried {
	out := *c
	out.documents.byHash = maps.Clone(c.documents.byHash)
	out.modules.byHash = maps.Clone(c.modules.byHash)
	return out
}
