package footprint

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
)

// Hashes are SHA-256 hashes of the reachable rules and of the path of the entry.
//
// The content hash covers everything that a decision depends on, with the lifetimes
// that packages give. Two footprints with one content hash decide the same for the same
// input and data; in which file or in which order the rules are makes no difference.
// The plan hash covers the order of the rules as well, since a plan of them depends
// on it.
func (f *Footprint) Hashes() (content, plan [32]byte) {
	texts := make([]string, 0, len(f.Rules)+len(f.Varying))
	ordered := sha256.New()
	write(ordered, f.entry.String())
	// The rules are sorted by location, which is the order that the compiler keeps.
	for _, rule := range f.Rules {
		text := canonical(rule)
		texts = append(texts, "rule "+text)
		write(ordered, text)
	}
	for _, path := range f.Empty {
		texts = append(texts, "empty "+path)
		write(ordered, "empty "+path)
	}
	for _, use := range f.Varying {
		texts = append(texts, fmt.Sprintf("varying %q %d", use.Builtin, use.TTL))
	}
	slices.Sort(texts)
	sorted := sha256.New()
	for _, text := range append([]string{"entry " + f.entry.String()}, slices.Compact(texts)...) {
		write(sorted, text)
	}
	return [32]byte(sorted.Sum(nil)), [32]byte(ordered.Sum(nil))
}

// write adds text to h such that no two lists of texts are the same bytes.
func write(h hash.Hash, text string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(text)))
	h.Write(length[:])
	h.Write([]byte(text))
}
