package cache_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/cache/cachetest"
)

// TestWhatIsCountedIsHeld fills caches with entries of several sizes.
func TestWhatIsCountedIsHeld(t *testing.T) {
	budget := cache.Budget{Bytes: 64 << 20, Entries: 1_000_000}
	for name, size := range map[string]int{"small": 10, "medium": 300, "odd": 1100, "large": 10_000} {
		t.Run(name, func(t *testing.T) {
			var made *cache.Cache[string, []byte]
			stats := func() cache.Stats { return made.Stats() }
			cachetest.Flood(t, budget, 0.9, map[cache.Name]func() cache.Stats{cache.Decisions: stats}, cache.Decisions, func() any {
				made = cache.New(budget, cache.Decisions, func(key string, value []byte) int {
					return cache.SizeOf(len(key)) + cache.SizeOf(cap(value))
				})
				filler := strings.Repeat("x", size)
				for i := range 2 * int(budget.Bytes) / (size + 300) {
					made.Set(fmt.Sprintf("%d%s", i, filler), []byte(filler))
				}
				return made
			})
		})
	}
}
