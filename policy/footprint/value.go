package footprint

import (
	"slices"
)

// Roots of places. A root of 0 or more is the parameter with that number, of the
// function that is being analysed.
const (
	inputRoot = -1
	dataRoot  = -2
)

// place is a place in a document: a root and the names of fields below it.
type place struct {
	root int
	path []string
}

// value stands for what a term can evaluate to: what lies at one of its places, or a
// value made of parts that have been counted as read already. The zero value has no
// places, so it is of the second kind.
type value struct {
	places []place
	// mixed says that the term may have several values within one evaluation of a rule,
	// so that a rule with this value may have to compare them.
	mixed bool
}

// Beyond these bounds a value is read whole, and not followed further.
const (
	maxDepth  = 32
	maxPlaces = 16
	// maxSummary bounds the paths that are kept apart for one parameter.
	maxSummary = 64
)

func placeAt(root int, path ...string) value {
	return value{places: []place{{root, path}}}
}

// extend is what lies at path below v.
func (v value) extend(path []string) value {
	if len(path) == 0 || len(v.places) == 0 {
		return v
	}
	out := value{places: make([]place, len(v.places)), mixed: v.mixed}
	for i, p := range v.places {
		out.places[i] = place{p.root, slices.Concat(p.path, path)}
	}
	return out
}

// hasItems reports whether reads of the items of v, or of its members, are kept apart by
// field: most of a pod is in its containers, and most of a node in the pods on it, and
// hardly two have the same. For data they are not.
func (v value) hasItems() bool {
	return !slices.ContainsFunc(v.places, func(p place) bool { return p.root == dataRoot })
}

// asWhole is the place that is read where p is read whole: all items are the list
// itself, and the fields of items are not kept apart in data.
func (p place) asWhole() place {
	if i := slices.Index(p.path, Items); i >= 0 && p.root == dataRoot {
		p.path = p.path[:i]
	}
	for len(p.path) > 0 && p.path[len(p.path)-1] == Items {
		p.path = p.path[:len(p.path)-1]
	}
	return p
}

func (v value) tooLarge() bool {
	return len(v.places) > maxPlaces || slices.ContainsFunc(v.places, func(p place) bool { return len(p.path) > maxDepth })
}

// merge adds the places of other.
func (v value) merge(other value) value {
	for _, p := range other.places {
		if !slices.ContainsFunc(v.places, func(q place) bool { return p.root == q.root && slices.Equal(p.path, q.path) }) {
			v.places = append(slices.Clip(v.places), p)
		}
	}
	v.mixed = v.mixed || other.mixed
	return v
}
