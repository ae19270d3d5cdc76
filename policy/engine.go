package policy

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Engine holds the current revision and the decisions that are kept of it. A reload
// compiles the new revision beside the old one and swaps one pointer; a broken
// policy never replaces a working one.
type Engine struct {
	*decider

	observer Observer
	current  atomic.Pointer[View]

	loads loads
	fault atomic.Pointer[Fault]

	// swapping serialises changes of current.
	swapping sync.Mutex
}

// Observer receives the outcomes of loading.
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
	return &Engine{decider: newDecider(options), observer: observer}
}

// replace makes revision the current one, and reports false where it is the current
// one already.
func (e *Engine) replace(revision *Revision) bool {
	// Where files have other names now, messages must have them too.
	if old := e.current.Load(); old != nil && old.id == revision.id && old.modules == revision.modules {
		return false
	}
	cluster := e.readCluster(revision)
	e.swap(func(old *View) *View {
		resources := maps.Clone(cluster)
		for name, value := range old.cluster {
			// A resource that no rule reads is not kept up to date either.
			if _, given := e.options.Cluster[name]; !given || revision.readsCluster(name) {
				resources[name] = value
			}
		}
		return e.newView(revision, changing{cluster: resources, revoked: old.revoked}, old)
	})
	return true
}

// readCluster gets what the revision reads of the cluster and the running one
// did not.
func (e *Engine) readCluster(revision *Revision) map[string]ast.Value {
	out := map[string]ast.Value{}
	for name, current := range e.options.Cluster {
		if current == nil || !revision.readsCluster(name) || e.ReadsCluster(name) {
			continue
		}
		if value := current(); !value.IsZero() {
			out[name] = value.Value()
		}
	}
	return out
}

// SetCluster replaces data.cluster.<resource>, also before the first Load; the
// zero Decoded takes it away. Decisions that do not read it stay kept.
func (e *Engine) SetCluster(resource string, value document.Decoded) {
	e.swap(func(old *View) *View {
		cluster := map[string]ast.Value{}
		maps.Copy(cluster, old.cluster)
		if delete(cluster, resource); !value.IsZero() {
			cluster[resource] = value.Value()
		}
		return e.newView(old.Revision, changing{cluster: cluster, revoked: old.revoked}, old, []string{clusterRoot, resource})
	})
}

// SetRevoked replaces what is revoked, data.revoked, also before the first Load;
// nil revokes nothing. It takes effect at once: no kept answer outlives it.
func (e *Engine) SetRevoked(revoked *identity.Revoked) {
	list := newRevokedList(revoked)
	e.swap(func(old *View) *View {
		return e.newView(old.Revision, changing{cluster: old.cluster, revoked: list}, old, []string{revokedRoot})
	})
}

// ReadsCluster reports whether some rule of the current revision may read
// data.cluster.<resource>.
func (e *Engine) ReadsCluster(resource string) bool {
	view := e.View()
	return view != nil && view.readsCluster(resource)
}

func (r *Revision) readsCluster(resource string) bool {
	return slices.ContainsFunc(r.rules, func(rule *rule) bool { return rule.readsChanging(clusterRoot, resource) })
}

// swap replaces the current view. next gets the view before, never nil.
func (e *Engine) swap(next func(old *View) *View) {
	e.swapping.Lock()
	defer e.swapping.Unlock()
	old := e.current.Load()
	if old == nil {
		old = e.newView(&Revision{data: ast.NewObject()}, changing{}, nil)
	}
	e.current.Store(next(old))
}

// Refuse records that a source could not deliver; the running revision stays.
func (e *Engine) Refuse(err error) {
	e.loads.settling.Lock()
	defer e.loads.settling.Unlock()
	e.loads.mu.Lock()
	e.loads.newest++
	e.loads.refused = e.loads.newest
	e.fault.Store(&Fault{Err: err, Time: time.Now()})
	e.loads.mu.Unlock()
	e.observer.RevisionRefused(err)
}

// View returns what to decide by now, nil before the first Load succeeded. A
// caller decides one request by one view.
func (e *Engine) View() *View {
	view := e.current.Load()
	if view == nil || view.id == "" {
		return nil
	}
	return view
}

// Revision returns the current revision, nil before the first Load succeeded.
func (e *Engine) Revision() *Revision {
	if view := e.View(); view != nil {
		return view.Revision
	}
	return nil
}

// Fault returns why the newest content is not the running one, nil when it is.
func (e *Engine) Fault() *Fault { return e.fault.Load() }

// CacheStats are the figures of the engine's caches by name.
func (e *Engine) CacheStats() map[cache.Name]func() cache.Stats {
	return map[cache.Name]func() cache.Stats{
		cache.Decisions:   e.kept.byInput.Stats,
		cache.Placements:  e.kept.placements.Stats,
		cache.PodClasses:  e.kept.pods.Stats,
		cache.NodeClasses: e.classes.Stats,
		cache.Patterns:    e.options.patterns.stats,
	}
}

// Evaluations says how many evaluations are under way, and how many of those go
// on though the caller that began them has given up.
func (e *Engine) Evaluations() (underWay, abandoned int64) {
	return e.evaluations.underWay.Load(), e.evaluations.abandoned.Load()
}

// Recheck has OPA's interpreter decide again, until ctx ends, what compiled
// rules decided: at most one decision in every interval, in the caller's own
// goroutine, so that no request waits for it. checked is called for each decision,
// disagreed for those that came out differently.
func (e *Engine) Recheck(ctx context.Context, interval time.Duration, checked func(rule string), disagreed func(*Disagreement)) {
	e.recheck(ctx, interval, checked, disagreed)
}
