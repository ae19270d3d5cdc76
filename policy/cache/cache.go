// Package cache has caches that are bounded in entries and in bytes, and that count
// their hits and misses.
package cache

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/maypok86/otter/v2"
)

// Cache keeps values by key and drops the least used values when it is full. Keys are
// compared in full, not by a hash alone: a caller of the service could choose input
// whose hash is that of another key. A nil Cache keeps nothing. It is safe for
// concurrent use.
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

// overhead estimates the bytes of an entry besides the memory that its key and value
// refer to: the library's node, which holds both, and its places in tables and queues.
const overhead = 144

// SizeOf estimates how many bytes a string or a []byte of this length takes: the runtime
// allocates up to an eighth more than requested.
func SizeOf(bytes int) int { return bytes + bytes/16 + 8 }

// New returns the cache of that name, which takes no more than its share of the budget;
// nil when the share is 0. size estimates how many bytes a key and its value refer to,
// without the key and the value themselves.
func New[K comparable, V any](budget Budget, name Name, size func(key K, value V) int) *Cache[K, V] {
	return NewBounded(budget.Entries, budget.Share(name), size, nil)
}

// NewBounded returns a cache of at most this many entries and bytes; nil when either is
// 0. evicted, unless it is nil, is called for each entry that is dropped because the
// cache is full. It must not use the cache.
func NewBounded[K comparable, V any](entries int, bytes int64, size func(key K, value V) int, evicted func(key K, value V)) *Cache[K, V] {
	if entries <= 0 || bytes <= 0 {
		return nil
	}
	// otter bounds weights or entries, not both. So the least weight of an entry is
	// all bytes divided by the maximum number of entries.
	least := max(bytes/int64(entries), 1)
	c := &Cache[K, V]{limit: uint64(bytes)}
	c.kept = otter.Must(&otter.Options[K, V]{
		MaximumWeight: uint64(bytes),
		// The work after a write takes less time than waking a goroutine for it.
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

// Get returns the value of key. It does not count the look-up: the caller calls Count,
// because only the caller knows whether the value is still valid.
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

// Set keeps value by key and replaces an earlier value.
func (c *Cache[K, V]) Set(key K, value V) {
	if c != nil {
		c.kept.Set(key, value)
	}
}

// Intern returns the value of key. When there is none, it keeps value and returns it. A
// nil cache returns value.
func (c *Cache[K, V]) Intern(key K, value V) V {
	if c == nil {
		return value
	}
	kept, _ := c.kept.SetIfAbsent(key, value)
	return kept
}

// Delete drops the value of key.
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

// View returns key as a string without a copy. Use it only to look up, never to keep
// the string, and only while key does not change.
func View(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) } //nolint:gosec // as it says
