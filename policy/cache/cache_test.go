package cache

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"time"
)

// settled waits until the cache has dropped what it will drop, which it does
// behind the scenes, and returns the figures.
func settled[K comparable, V any](t *testing.T, c *Cache[K, V], done func(Stats) bool) Stats {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		c.kept.CleanUp()
		stats := c.Stats()
		if done(stats) {
			return stats
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("still %+v", stats)
		}
	}
}

func TestBounds(t *testing.T) {
	const many = 2000
	for name, test := range map[string]struct {
		entries int
		bytes   int64
		size    int // of each entry, beyond the overhead
		most    int // entries that may stay
	}{
		"entries":               {entries: 100, bytes: 1 << 20, size: 10, most: 100},
		"entries, of no size":   {entries: 100, bytes: 1 << 20, size: 0, most: 100},
		"bytes":                 {entries: 1 << 20, bytes: 100 * (overhead + 40), size: 40, most: 100},
		"bytes, with few to be": {entries: 1 << 20, bytes: 3 * (overhead + 1000), size: 1000, most: 3},
		"one entry":             {entries: 1, bytes: 1 << 20, size: 10, most: 1},
		"a byte for an entry":   {entries: many, bytes: many, size: 0, most: many / overhead},
		"larger than the cache": {entries: 10, bytes: 1000, size: 1000, most: 0},
		"an enormous entry":     {entries: 10, bytes: 1000, size: math.MaxInt - overhead, most: 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewBounded(test.entries, test.bytes, func(int, int) int { return test.size }, nil)
			for i := range many {
				c.Set(i, -i)
			}
			stats := settled(t, c, func(s Stats) bool { return s.Entries <= test.most && s.Evictions == uint64(many-s.Entries) })
			if stats.Bytes > uint64(test.bytes) {
				t.Errorf("%d bytes are kept, the bound is %d", stats.Bytes, test.bytes)
			}
			kept := 0
			for i := range many {
				if value, ok := c.Get(i); ok {
					kept++
					if value != -i {
						t.Errorf("%d is kept by %d", value, i)
					}
				}
			}
			if kept != stats.Entries {
				t.Errorf("%d entries are found, %d are said to be kept", kept, stats.Entries)
			}
			if test.most > 1 && kept < test.most/2 {
				t.Errorf("%d entries are kept where there is room for %d", kept, test.most)
			}
		})
	}
}

func TestBytesAreThoseOfKeysAndValues(t *testing.T) {
	c := NewBounded(1000, 1<<20, func(key, value string) int { return len(key) + len(value) }, nil)
	c.Set("a", "0123456789")
	c.Set("bb", "0123456789")
	least := 1 << 20 / 1000
	if got := settled(t, c, func(s Stats) bool { return s.Entries == 2 }).Bytes; got != uint64(2*least) {
		t.Errorf("two small entries count %d bytes, want the share of two, %d", got, 2*least)
	}
	c.Set("a", string(make([]byte, 2000)))
	want := uint64(1 + 2000 + overhead + least)
	settled(t, c, func(s Stats) bool { return s.Entries == 2 && s.Bytes == want })
}

// TestWhatIsUsedStays floods the cache with what never comes again. Which entry
// goes is an estimate of the library's, so now and then one that is used does.
func TestWhatIsUsedStays(t *testing.T) {
	const flood = 10_000
	c := NewBounded(100, 1<<20, func(string, int) int { return 0 }, nil)
	lost := 0
	for i := range flood {
		c.Set(strconv.Itoa(i), i)
		for range 3 {
			if _, ok := c.Get("used"); !ok {
				lost++
				c.Set("used", 1)
			}
		}
		if i%20 == 0 {
			c.kept.CleanUp()
		}
	}
	if lost > flood/20 {
		t.Errorf("what is used all the time was evicted %d times by a flood of %d", lost, flood)
	}
}

func TestSetReplaces(t *testing.T) {
	c := NewBounded(10, 1<<20, func(string, int) int { return 0 }, nil)
	c.Set("a", 1)
	c.Set("a", 2)
	if got, ok := c.Get("a"); got != 2 || !ok {
		t.Errorf("got %d, %t, want 2", got, ok)
	}
	if stats := settled(t, c, func(s Stats) bool { return s.Entries == 1 }); stats.Evictions != 0 {
		t.Errorf("what was replaced counts as %d evictions", stats.Evictions)
	}
}

func TestLookUpsAreCountedByTheCaller(t *testing.T) {
	c := NewBounded(10, 1<<20, func(string, int) int { return 0 }, nil)
	c.Set("a", 1)
	c.Get("a")
	c.Get("b")
	if stats := c.Stats(); stats.Hits != 0 || stats.Misses != 0 {
		t.Errorf("Get counted: %+v", stats)
	}
	for _, hit := range []bool{true, true, false} {
		c.Count(hit)
	}
	if stats := c.Stats(); stats.Hits != 2 || stats.Misses != 1 {
		t.Errorf("got %+v, want 2 hits and 1 miss", stats)
	}
}

func TestACacheWithoutRoomIsNil(t *testing.T) {
	for name, c := range map[string]*Cache[string, int]{
		"no entries":       NewBounded(0, 1, func(string, int) int { return 0 }, nil),
		"no bytes":         NewBounded(1, 0, func(string, int) int { return 0 }, nil),
		"negative entries": NewBounded(-1, 1, func(string, int) int { return 0 }, nil),
		"negative bytes":   NewBounded(1, -1, func(string, int) int { return 0 }, nil),
		"nil":              nil,
	} {
		t.Run(name, func(t *testing.T) {
			if c != nil {
				t.Fatal("there is a cache")
			}
			c.Set("a", 1)
			c.Count(true)
			if got, ok := c.Get("a"); ok || got != 0 {
				t.Errorf("got %d, %t from a cache that keeps nothing", got, ok)
			}
			if got := c.Stats(); got != (Stats{}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestKeysOutliveTheirBuffer looks up by a buffer that is used again.
func TestKeysOutliveTheirBuffer(t *testing.T) {
	c := NewBounded(100, 1<<20, func(string, int) int { return 0 }, nil)
	buffer := []byte("key-0")
	for i := range byte(10) {
		buffer[4] = '0' + i
		if _, ok := c.Get(View(buffer)); ok {
			t.Errorf("%s is kept before it was set", buffer)
		}
		c.Set(string(buffer), int(i))
	}
	for i := range byte(10) {
		buffer[4] = '0' + i
		if got, ok := c.Get(View(buffer)); !ok || got != int(i) {
			t.Errorf("%s: got %d, %t", buffer, got, ok)
		}
	}
	if View(nil) != "" {
		t.Error("the view of nothing is not empty")
	}
}

func TestConcurrentUse(t *testing.T) {
	c := NewBounded(50, 1<<20, func(int, int) int { return 0 }, nil)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 5000 {
				key := i % 200
				if got, ok := c.Get(key); ok && got != key {
					t.Errorf("%d is kept by %d", got, key)
				}
				c.Set(key, key)
				c.Count(true)
				c.Stats()
			}
		})
	}
	group.Wait()
	settled(t, c, func(s Stats) bool { return s.Entries <= 50 && s.Hits == 20_000 })
}
