package policy

import "crypto/sha256"

// lastRead remembers what the files of the last revision were read as, by a hash
// of what they hold: a reload usually changes few, and what did not change is the
// very same value.
type lastRead[V any] struct {
	byHash map[[sha256.Size]byte]readInRound[V]
	round  int
}

type readInRound[V any] struct {
	value V
	round int // in which it was last asked for
}

// get returns what a file was read as, which read does where it is not known.
func (l *lastRead[V]) get(hash [sha256.Size]byte, read func() (V, error)) (V, error) {
	known, ok := l.byHash[hash]
	if !ok {
		value, err := read()
		if err != nil {
			return value, err
		}
		known.value = value
	}
	known.round = l.round
	if l.byHash == nil {
		l.byHash = map[[sha256.Size]byte]readInRound[V]{}
	}
	l.byHash[hash] = known
	return known.value, nil
}

// forget drops what this round did not ask for.
func (l *lastRead[V]) forget() {
	for hash, known := range l.byHash {
		if known.round != l.round {
			delete(l.byHash, hash)
		}
	}
	l.round++
}
