package cluster

import (
	"hash/maphash"
	"maps"
)

// interned keeps one copy of equal maps: the pods of one workload request the
// same and carry the same labels. It is not safe for concurrent use.
type interned[V comparable] struct {
	seed   maphash.Seed
	byHash map[uint64]map[string]V
}

// internedMost bounds the number of remembered maps; maps in use are not changed when
// it is reached.
const internedMost = 1 << 14

func newInterned[V comparable]() *interned[V] {
	return &interned[V]{seed: maphash.MakeSeed(), byHash: map[uint64]map[string]V{}}
}

// of returns a map equal to m, which must not be changed from now on.
func (i *interned[V]) of(m map[string]V) map[string]V {
	if m == nil {
		return nil
	}
	type entry struct {
		key   string
		value V
	}
	var hash uint64
	for key, value := range m {
		hash += maphash.Comparable(i.seed, entry{key, value}) // in any order
	}
	if known, ok := i.byHash[hash]; ok {
		if maps.Equal(known, m) {
			return known
		}
		return m
	}
	if len(i.byHash) >= internedMost {
		clear(i.byHash)
	}
	i.byHash[hash] = m
	return m
}
