package footprint

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Paths is a set of paths into a JSON document, as a tree. The zero value is
// the empty set: nothing is read.
type Paths struct {
	// Whole says that everything at and below this place is read. Fields is
	// empty then.
	Whole bool
	// Fields are the names of an object that are read, and what of each.
	Fields map[string]*Paths
}

// Items is the name, in Fields, of what is read of the items of a list, or of the
// members of an object, whichever they are. How many there are, in which order, and
// what members are called counts as read. There are no other Fields beside it.
const Items = "[_]"

// Add adds path: what is there, whole. An empty path is the whole document.
func (p *Paths) Add(path ...string) {
	for _, name := range path {
		if p.Whole {
			return
		}
		if _, items := p.Fields[Items]; len(p.Fields) > 0 && items != (name == Items) {
			break // that of all items and of one member is not told apart
		}
		if p.Fields == nil {
			p.Fields = map[string]*Paths{}
		}
		next, ok := p.Fields[name]
		if !ok {
			next = &Paths{}
			p.Fields[name] = next
		}
		p = next
	}
	p.Whole, p.Fields = true, nil
}

// Merge adds every path of other, which is left as it is.
func (p *Paths) Merge(other *Paths) {
	for _, path := range other.All() {
		p.Add(path...)
	}
}

// Empty reports whether nothing is read.
func (p *Paths) Empty() bool { return p == nil || !p.Whole && len(p.Fields) == 0 }

// Field returns what is read of the value called name, nil for nothing.
func (p *Paths) Field(name string) *Paths {
	if p == nil {
		return nil
	}
	if p.Whole {
		return p
	}
	return p.Fields[name]
}

// At returns what is read of the value at path, nil for nothing.
func (p *Paths) At(path ...string) *Paths {
	for _, name := range path {
		p = p.Field(name)
	}
	return p
}

// All lists the paths, sorted; each ends where something is read whole.
func (p *Paths) All() [][]string {
	if p == nil {
		return nil
	}
	if p.Whole {
		return [][]string{{}}
	}
	var out [][]string
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		for _, rest := range p.Fields[name].All() {
			out = append(out, append([]string{name}, rest...))
		}
	}
	return out
}

// Without returns a copy that lacks path, as All lists it.
func (p *Paths) Without(path []string) *Paths {
	out := &Paths{}
	for _, each := range p.All() {
		if !slices.Equal(each, path) {
			out.Add(each...)
		}
	}
	return out
}

// Format writes path below root as Rego does: input.metadata.labels["a/b"].
func Format(root string, path []string) string {
	var b strings.Builder
	b.WriteString(root)
	for _, name := range path {
		if name == Items {
			b.WriteString(name)
			continue
		}
		if isIdentifier(name) {
			b.WriteString("." + name)
		} else {
			b.WriteString("[" + strconv.Quote(name) + "]")
		}
	}
	return b.String()
}

func isIdentifier(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
