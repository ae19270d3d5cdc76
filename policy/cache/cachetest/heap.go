// Package cachetest measures, for tests, how much memory caches really take.
package cachetest

import (
	"runtime"
	"testing"

	"github.com/verdict-dev/verdict/policy/cache"
)

// Heap is how many bytes of the heap are in use after everything that can be
// collected was.
func Heap() int64 {
	// What sync.Pools hold outlives one collection, and finalizers another.
	for range 3 {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // no heap is that large
}

// slack is by how much the heap may grow beyond a budget, in bytes.
const slack = 64 << 20

// Flood checks that the heap grows by no more than budget and slack while flood
// runs, and that all caches together say they take at least part of what it grew
// by: 0.8 for four fifths. full is the cache that the flood has to fill. What flood
// returns is held until the heap has been measured.
func Flood(tb testing.TB, budget cache.Budget, part float64, caches map[cache.Name]func() cache.Stats, full cache.Name, flood func() any) {
	tb.Helper()
	before := Heap()
	held := flood()
	grown := Heap() - before
	var counted uint64
	for name, stats := range caches {
		s := stats()
		counted += s.Bytes
		if s.Bytes > s.Limit {
			tb.Errorf("%s: %d bytes are counted, the limit is %d", name, s.Bytes, s.Limit)
		}
		if name == full && s.Bytes < s.Limit/10*9 {
			tb.Errorf("%s: %d bytes are counted of %d: the test asks for too little", name, s.Bytes, s.Limit)
		}
	}
	runtime.KeepAlive(held)
	tb.Logf("the heap grew by %.1f MiB, of which %.1f MiB are counted", float64(grown)/(1<<20), float64(counted)/(1<<20))
	if most := budget.Bytes + slack; grown > most {
		tb.Errorf("the heap grew by %d bytes, want no more than %d", grown, most)
	}
	if float64(counted) < part*float64(grown) {
		tb.Errorf("%d bytes are counted where the heap grew by %d", counted, grown)
	}
}
