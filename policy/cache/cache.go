// Package cache bounds what the engine remembers, in entries and in bytes, and
// counts how often remembering helped.
package cache

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// Cache keeps values by key and drops the least used when it is full. Keys are
// compared in full: callers choose what they are made of, so a hash alone must
// not decide. A nil Cache keeps nothing. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	kept                    *otter.Cache[K, V]
	limit                   uint64
	hits, misses, evictions atomic.Uint64
}

// Stats are the figures of a cache.
type Stats struct {
	Hits, Misses, Evictions uint64
	Entries                 int
	Bytes                   uint64 // about how much memory the entries take
	Limit                   uint64 // bytes, which Bytes does not exceed for long
}

// overhead is about what an entry costs beyond what its key and value refer to, in
// bytes: the library's node with both in it, its places in tables and queues.
const overhead = 144

// SizeOf is about how many bytes a string or a []byte takes of which this many are
// in use: the runtime's sizes are up to an eighth larger than what is asked for.
func SizeOf(bytes int) int { return bytes + bytes/16 + 8 }

// New returns the cache of that name, which takes no more than its share of the
// budget, nil when there is none. size returns about how many bytes a key with its
// value refers to: what is in themselves is counted already.
func New[K comparable, V any](budget Budget, name Name, size func(key K, value V) int) *Cache[K, V] {
	return NewBounded(budget.Entries, budget.Share(name), size, nil)
}

// NewBounded is New for a cache of at most this many entries and bytes, nil when
// either is 0. evicted, unless it is nil, is told of each entry that was dropped
// for want of room; it must not use the cache.
func NewBounded[K comparable, V any](entries int, bytes int64, size func(key K, value V) int, evicted func(key K, value V)) *Cache[K, V] {
	if entries <= 0 || bytes <= 0 {
		return nil
	}
	// otter bounds weights or entries, not both: no entry weighs less than its
	// share of all bytes among the most entries there may be.
	least := max(bytes/int64(entries), 1)
	c := &Cache[K, V]{limit: uint64(bytes)}
	c.kept = otter.Must(&otter.Options[K, V]{
		MaximumWeight: uint64(bytes),
		// What a write leaves to do takes less than to wake a goroutine for it.
		Executor: func(upkeep func()) { upkeep() },
		Weigher: func(key K, value V) uint32 {
			return uint32(min(max(int64(size(key, value)+overhead), least), math.MaxUint32)) //nolint:gosec // bounded above
		},
		OnDeletion: func(e otter.DeletionEvent[K, V]) {
			if e.WasEvicted() {
				c.evictions.Add(1)
				if evicted != nil {
					evicted(e.Key, e.Value)
				}
			}
		},
	})
	return c
}

// Get returns what is kept by key. The caller counts, since it alone knows
// whether the value still holds.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	if c == nil {
		return value, false
	}
	return c.kept.GetIfPresent(key)
}

// Count counts one look-up.
func (c *Cache[K, V]) Count(hit bool) {
	switch {
	case c == nil:
	case hit:
		c.hits.Add(1)
	default:
		c.misses.Add(1)
	}
}

// Set keeps value by key, instead of what was kept by it.
func (c *Cache[K, V]) Set(key K, value V) {
	if c != nil {
		c.kept.Set(key, value)
	}
}

// Intern returns what is kept by key, which is value where nothing was. Where the
// cache keeps nothing it returns value.
func (c *Cache[K, V]) Intern(key K, value V) V {
	if c == nil {
		return value
	}
	kept, _ := c.kept.SetIfAbsent(key, value)
	return kept
}

// Delete drops what is kept by key.
func (c *Cache[K, V]) Delete(key K) {
	if c != nil {
		c.kept.Invalidate(key)
	}
}

// Stats returns the figures so far.
func (c *Cache[K, V]) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Evictions: c.evictions.Load(),
		Entries: c.kept.EstimatedSize(), Bytes: c.kept.WeightedSize(), Limit: c.limit,
	}
}

// View is key as a string without a copy: for looking up, never for keeping,
// and only while key does not change.
func View(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) } //nolint:gosec // as it says
