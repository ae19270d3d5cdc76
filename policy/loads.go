package policy

import "sync"

// maxLoads bounds the loads that compile at the same time, those included that
// were given up: OPA's compiler cannot be stopped within one of its stages.
const maxLoads = 3

// loads are the changes of an engine that are being compiled, and those before
// them. A newer change does not wait for an older one: both compile, what is done
// first becomes the running revision, and an older change never replaces a newer one.
type loads struct {
	// settling serialises the outcomes, so that they and the calls of the observer
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
	// buildCache is what the change buildCacheOf left to the next. A load takes a
	// copy of it.
	buildCache   buildCache
	buildCacheOf uint64
}

// refuses notes that change was refused, and reports whether nothing newer has
// an outcome. The lock of l is held.
func (l *loads) refuses(change uint64) bool {
	if change < l.loaded || change <= l.refused {
		return false
	}
	l.refused = change
	return true
}
