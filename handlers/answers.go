package handlers

import (
	"math"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// answers keeps whole answers by the exact bytes of their requests, compared in
// full: callers choose those bytes, so a hash alone must not decide. Only
// answers that the same revision would give again are kept, and an answer of
// another revision is a miss.
type answers struct {
	kept         *otter.Cache[string, keptAnswer]
	hits, misses prometheus.Counter
}

type keptAnswer struct {
	revision string
	body     []byte
	outcome  string // for the metrics
}

// maxKeptRequest bounds the requests whose answers are kept, in bytes, as
// apiserver does for those of its own cache: a caller with long names of their
// choice shall not push out everybody else's.
const maxKeptRequest = 10_000

// keptOverhead is about what an entry costs beyond its bytes.
const keptOverhead = 256

// newAnswers returns a cache of at most maxBytes, nil when that is 0: a nil
// cache keeps nothing.
func newAnswers(maxBytes int64, m *Metrics) *answers {
	if maxBytes <= 0 {
		return nil
	}
	const name = "answers"
	evictions := m.cacheEvictions.WithLabelValues(name)
	kept := otter.Must(&otter.Options[string, keptAnswer]{
		MaximumWeight: uint64(maxBytes),
		Weigher: func(request string, answer keptAnswer) uint32 {
			return uint32(min(len(request)+len(answer.body)+keptOverhead, math.MaxUint32))
		},
		OnDeletion: func(e otter.DeletionEvent[string, keptAnswer]) {
			if e.WasEvicted() {
				evictions.Inc()
			}
		},
	})
	m.watchCache(name, func() float64 { return float64(kept.EstimatedSize()) }, func() float64 { return float64(kept.WeightedSize()) })
	return &answers{
		kept:   kept,
		hits:   m.cacheHits.WithLabelValues(name),
		misses: m.cacheMisses.WithLabelValues(name),
	}
}

// get returns the answer that revision gave to this very request.
func (a *answers) get(revision string, request []byte) (keptAnswer, bool) {
	if a == nil || len(request) > maxKeptRequest {
		return keptAnswer{}, false
	}
	answer, ok := a.kept.GetIfPresent(string(request))
	if !ok || answer.revision != revision {
		a.misses.Inc()
		return keptAnswer{}, false
	}
	a.hits.Inc()
	return answer, true
}

// keep stores an answer; neither side may change body afterwards.
func (a *answers) keep(request []byte, answer keptAnswer) {
	if a == nil || len(request) > maxKeptRequest {
		return
	}
	a.kept.Set(string(request), answer)
}
