package document

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// Selection is the part of a document that rules read: a footprint made ready
// for taking just that out of a document, as a key and as a value.
type Selection struct {
	whole  bool
	fields []selectedField
	// items is what is selected of the items of a list, or of the members of an
	// object, whose number and names are selected with them; nil for all. It may be
	// ignored: then they are taken whole.
	items *Selection
}

type selectedField struct {
	name string
	term *ast.Term // the name, made once
	of   *Selection
}

// NewSelection selects what is at paths; nil and empty paths select nothing.
func NewSelection(paths *footprint.Paths) *Selection {
	if paths.Empty() {
		return &Selection{}
	}
	if items := paths.Fields[footprint.Items]; items != nil {
		return &Selection{whole: true, items: NewSelection(items)}
	}
	s := &Selection{whole: paths.Whole}
	for _, name := range slices.Sorted(maps.Keys(paths.Fields)) {
		s.fields = append(s.fields, selectedField{name: name, term: ast.StringTerm(name), of: NewSelection(paths.Fields[name])})
	}
	return s
}

// Equal reports whether both select the same; either may be nil.
func (s *Selection) Equal(other *Selection) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.whole == other.whole && s.items.Equal(other.items) && slices.EqualFunc(s.fields, other.fields, func(a, b selectedField) bool {
		return a.name == b.name && a.of.Equal(b.of)
	})
}

var all = &Selection{whole: true}

// All selects a whole document.
func All() *Selection { return all }

// Whole reports whether every member of an object is selected.
func (s *Selection) Whole() bool { return s.whole }

// Names are those of the members that are selected, where not all are.
func (s *Selection) Names() []string {
	names := make([]string, len(s.fields))
	for i := range s.fields {
		names[i] = s.fields[i].name
	}
	return names
}

// Item is what is read of the items of a list, or of the members of an object.
func (s *Selection) Item() *Selection {
	if s.items != nil {
		return s.items
	}
	return all
}

// Field is what is read of the member called name, nil for nothing.
func (s *Selection) Field(name string) *Selection {
	if s.whole {
		return s.Item()
	}
	for i := range s.fields {
		if s.fields[i].name == name {
			return s.fields[i].of
		}
	}
	return nil
}

// Source is a document, or a part of one, that a selection is taken out of.
//
// A value that is selected in part counts whole where it is not an object, and
// an object counts as being there even when nothing selected is in it: rules
// can distinguish these.
type Source interface {
	// AppendKey appends what s selects, so that equal keys mean equal values:
	// every value begins with one of the tags below.
	AppendKey(key []byte, s *Selection) []byte
	// Project returns what s selects; nil when the value is absent. It does not
	// alias a document's text.
	Project(s *Selection) ast.Value
	// At is Project of the value that is reached by names, of members of objects one
	// in the other.
	At(names []string, s *Selection) ast.Value
}

// The tags of a key. An object that is selected in part is followed by its
// selected fields, in the order of the selection; a list, or the members of an
// object, of which items are selected, by their number; the name of such a member,
// and a whole value, by its length and its text.
const (
	tagAbsent byte = iota
	tagWhole
	tagObject
	tagItems
	tagMembers
)
