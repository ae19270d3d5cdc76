package policy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Engine holds the current revision. A reload compiles the new revision beside
// the old one and swaps one pointer; a broken policy never replaces a working one.
type Engine struct {
	options  Options
	observer Observer
	current  atomic.Pointer[Revision]

	// loading serialises Load, so that the newest content wins.
	loading sync.Mutex
	fault   atomic.Pointer[Fault]
}

// Observer is told how loading goes.
type Observer interface {
	// RevisionLoaded is called after revision has become the current one.
	RevisionLoaded(revision *Revision, took time.Duration)
	// RevisionRefused is called when content could not be compiled; the
	// running revision stays.
	RevisionRefused(err error)
}

// Fault is the last content that was refused.
type Fault struct {
	Err  error
	Time time.Time
}

// NewEngine returns an engine without a revision.
func NewEngine(options Options, observer Observer) *Engine {
	return &Engine{options: options, observer: observer}
}

// Load compiles content and makes it the current revision. Content equal to
// the running one changes nothing. An error is a *LoadError.
func (e *Engine) Load(ctx context.Context, content Content) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	began := time.Now()
	revision, err := Compile(ctx, content, e.options)
	if err != nil {
		e.refuse(err)
		return err
	}
	e.fault.Store(nil)
	if old := e.current.Load(); old != nil && old.id == revision.id {
		return nil
	}
	e.current.Store(revision)
	e.observer.RevisionLoaded(revision, time.Since(began))
	return nil
}

// Refuse records that a source could not deliver; the running revision stays.
func (e *Engine) Refuse(err error) {
	e.loading.Lock()
	defer e.loading.Unlock()
	e.refuse(err)
}

func (e *Engine) refuse(err error) {
	e.fault.Store(&Fault{Err: err, Time: time.Now()})
	e.observer.RevisionRefused(err)
}

// Revision returns the current revision, nil before the first Load succeeded.
// A caller decides one request by one revision.
func (e *Engine) Revision() *Revision { return e.current.Load() }

// Fault returns why the newest content is not the running one, nil when it is.
func (e *Engine) Fault() *Fault { return e.fault.Load() }
