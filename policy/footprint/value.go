package footprint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Roots of places. A root of 0 or more is the parameter of that number of the
// function at hand.
const (
	inputRoot = -1
	dataRoot  = -2
)

// place is a spot in a document: a root and the names of fields below it.
type place struct {
	root int
	path []string
}

// value stands for what a term can evaluate to: what lies at one of its
// places, or something made of what has been counted as read already. The
// zero value is only the latter.
type value struct {
	places []place
	// mixed says that which of several it is may differ within one evaluation
	// of a rule, so that a rule with this value may have to compare them.
	mixed bool
}

// Beyond these bounds a value is read whole instead of followed on.
const (
	maxDepth  = 32
	maxPlaces = 16
	// maxSummary bounds what is told apart of one parameter.
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

// hasItems says that what is read of the items of v, or of its members, is told
// apart: most of what there is to a pod is in its containers, and to a node in
// the pods on it, and hardly two have the same. Of data it is not.
func (v value) hasItems() bool {
	return !slices.ContainsFunc(v.places, func(p place) bool { return p.root == dataRoot })
}

// settled is the place that is read where p is read whole: all items are the list
// itself, and what items hold is not told apart in data.
func (p place) settled() place {
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

// glances are places that are looked at without what is in them: whether
// something is there, and whether it is an object. A consumer that keeps a
// field keeps that of the objects around it, so glances only count where
// nothing below is read.
type glances struct {
	location *ast.Location // of the first, nil for none here
	seen     bool
	fields   map[string]*glances
}

func (g *glances) add(path []string, location *ast.Location) {
	for _, name := range path {
		if g.fields == nil {
			g.fields = map[string]*glances{}
		}
		next, ok := g.fields[name]
		if !ok {
			next = &glances{}
			g.fields[name] = next
		}
		g = next
	}
	if !g.seen || location.Compare(g.location) < 0 {
		g.seen, g.location = true, location
	}
}

// each calls f for every place glanced at, those below a place before it.
func (g *glances) each(f func(path []string, location *ast.Location)) {
	var walk func(*glances, []string)
	walk = func(g *glances, path []string) {
		for name, next := range g.fields {
			walk(next, append(slices.Clip(path), name))
		}
		if g.seen {
			f(path, g.location)
		}
	}
	walk(g, nil)
}

// summary is what a caller has to know of the rules at one place: what they
// read of their parameters and what they give. What they read of input and
// data is counted once, when they are reached.
type summary struct {
	params []parameter
	// result is followed into for complete rules and functions; the values of
	// others have been counted whole.
	result value
	busy   bool
	// reentered says that the rules were reached from themselves, which data
	// references with variables make possible.
	reentered bool
}

type parameter struct {
	reads   Paths
	glances glances
}

// bound keeps what is told apart of a parameter within maxSummary.
func (p *parameter) bound() {
	n := len(p.reads.All())
	p.glances.each(func([]string, *ast.Location) { n++ })
	if n > maxSummary {
		p.reads, p.glances = Paths{Whole: true}, glances{}
	}
}
