package policy

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// selection is the part of a document that rules read: a footprint made ready
// for taking just that out of a document, as a key and as a value.
type selection struct {
	whole  bool
	fields []selectedField
	// items is what is selected of the items of a list, or of the members of an
	// object, whose number and names are selected with them; nil for all. Who does
	// not heed it takes the whole.
	items *selection
}

type selectedField struct {
	name string
	term *ast.Term // the name, made once
	of   *selection
}

func newSelection(paths *footprint.Paths) *selection {
	if paths.Empty() {
		return &selection{}
	}
	if items := paths.Fields[footprint.Items]; items != nil {
		return &selection{whole: true, items: newSelection(items)}
	}
	s := &selection{whole: paths.Whole}
	for _, name := range slices.Sorted(maps.Keys(paths.Fields)) {
		s.fields = append(s.fields, selectedField{name: name, term: ast.StringTerm(name), of: newSelection(paths.Fields[name])})
	}
	return s
}

// equal reports whether both select the same; either may be nil.
func (s *selection) equal(other *selection) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.whole == other.whole && s.items.equal(other.items) && slices.EqualFunc(s.fields, other.fields, func(a, b selectedField) bool {
		return a.name == b.name && a.of.equal(b.of)
	})
}

var allOf = &selection{whole: true}

// item is what is read of the items of a list, or of the members of an object.
func (s *selection) item() *selection {
	if s.items != nil {
		return s.items
	}
	return allOf
}

// field is what is read of the member called name, nil for nothing.
func (s *selection) field(name string) *selection {
	if s.whole {
		return s.item()
	}
	for i := range s.fields {
		if s.fields[i].name == name {
			return s.fields[i].of
		}
	}
	return nil
}

// source is a document, or a part of one, that a selection is taken out of.
//
// A value that is selected in part counts whole where it is not an object, and
// an object counts as being there even when nothing selected is in it: rules
// can tell these apart.
type source interface {
	// appendKey appends what s selects, so that equal keys mean equal values:
	// every value begins with one of the tags below.
	appendKey(key []byte, s *selection) []byte
	// project returns what s selects; nil when the value is absent. It does not
	// alias a document's text.
	project(s *selection) ast.Value
	// at is project of what lies below names, of members of objects.
	at(names []string, s *selection) ast.Value
	// charge is what deciding by the document is charged to.
	charge() charge
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

func (v Value) appendKey(key []byte, s *selection) []byte {
	if v.Absent() {
		return append(key, tagAbsent)
	}
	if s.items != nil && v.isComposite() {
		return v.appendItems(key, s.items)
	}
	if s.whole || !v.IsObject() {
		key = append(key, tagWhole)
		if n := v.node(); !n.edited {
			key = binary.AppendUvarint(key, uint64(len(v.Raw())))
			return append(key, v.Raw()...)
		}
		text := v.appendText(nil)
		key = binary.AppendUvarint(key, uint64(len(text)))
		return append(key, text...)
	}
	key = append(key, tagObject)
	for i := range s.fields {
		key = v.Get(s.fields[i].name).appendKey(key, s.fields[i].of)
	}
	return key
}

func (v Value) isComposite() bool { return v.node().kind == '{' || v.node().kind == '[' }

// appendItems appends what s selects of each item of a list, or member of an object.
func (v Value) appendItems(key []byte, s *selection) []byte {
	tag := tagItems
	if v.IsObject() {
		tag = tagMembers
	}
	key = binary.AppendUvarint(append(key, tag), uint64(v.count())) //nolint:gosec // not negative
	v.each(func(name []byte, item Value) bool {
		if tag == tagMembers {
			key = binary.AppendUvarint(key, uint64(len(name)))
			key = append(key, name...)
		}
		key = item.appendKey(key, s)
		return true
	})
	return key
}

// projectItems is the same with what s selects of each item, or member.
func (v Value) projectItems(s *selection) ast.Value {
	count := v.count()
	if !v.IsObject() {
		items := make([]*ast.Term, 0, count)
		v.each(func(_ []byte, item Value) bool {
			items = append(items, ast.NewTerm(item.project(s)))
			return true
		})
		return ast.NewArray(items...)
	}
	pairs := make([][2]*ast.Term, 0, count)
	v.each(func(name []byte, item Value) bool {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(string(name)), ast.NewTerm(item.project(s))})
		return true
	})
	return ast.NewObject(pairs...)
}

func (v Value) project(s *selection) ast.Value {
	if v.Absent() {
		return nil
	}
	if s.items != nil && v.isComposite() {
		return v.projectItems(s.items)
	}
	if s.whole || !v.IsObject() {
		return v.decode()
	}
	pairs := make([][2]*ast.Term, 0, len(s.fields))
	for i := range s.fields {
		if value := v.Get(s.fields[i].name).project(s.fields[i].of); value != nil {
			pairs = append(pairs, [2]*ast.Term{s.fields[i].term, ast.NewTerm(value)})
		}
	}
	return ast.NewObject(pairs...)
}

func (v Value) at(names []string, s *selection) ast.Value {
	for _, name := range names {
		if s = s.field(name); s == nil {
			return nil
		}
		v = v.Get(name)
	}
	return v.project(s)
}

// charge of an access review is to its user: who asked is for the API server to
// know.
func (v Value) charge() charge {
	user := v.Get("spec").Get("user")
	if user.Absent() {
		return charge{bytes: v.decodedSize()}
	}
	return charge{to: onBehalfOf(user.Raw()), bytes: v.decodedSize()}
}

// decoded is a source that is in OPA's form already.
type decoded struct{ value ast.Value }

// charge is to nobody in particular: it is part of what others are charged for.
func (decoded) charge() charge { return charge{} }

func (d decoded) appendKey(key []byte, s *selection) []byte {
	if d.value == nil {
		return append(key, tagAbsent)
	}
	object, ok := d.value.(ast.Object)
	if s.items != nil && d.isComposite() {
		return d.appendItems(key, s.items)
	}
	if s.whole || !ok {
		// Rego's text of a ground value: strings are quoted, sets and objects
		// are sorted.
		text := d.value.String()
		key = binary.AppendUvarint(append(key, tagWhole), uint64(len(text)))
		return append(key, text...)
	}
	key = append(key, tagObject)
	for i := range s.fields {
		key = decoded{member(object, s.fields[i].term)}.appendKey(key, s.fields[i].of)
	}
	return key
}

func (d decoded) isComposite() bool {
	switch d.value.(type) {
	case *ast.Array, ast.Object:
		return true
	}
	return false
}

func (d decoded) appendItems(key []byte, s *selection) []byte {
	switch v := d.value.(type) {
	case *ast.Array:
		key = binary.AppendUvarint(append(key, tagItems), uint64(v.Len())) //nolint:gosec // not negative
		v.Foreach(func(item *ast.Term) { key = decoded{item.Value}.appendKey(key, s) })
	case ast.Object:
		key = binary.AppendUvarint(append(key, tagMembers), uint64(v.Len())) //nolint:gosec // not negative
		v.Foreach(func(name, item *ast.Term) {
			text := name.Value.String()
			key = binary.AppendUvarint(key, uint64(len(text)))
			key = append(key, text...)
			key = decoded{item.Value}.appendKey(key, s)
		})
	}
	return key
}

func (d decoded) projectItems(s *selection) ast.Value {
	object, ok := d.value.(ast.Object)
	if !ok {
		list := d.value.(*ast.Array)
		items := make([]*ast.Term, 0, list.Len())
		list.Foreach(func(item *ast.Term) { items = append(items, ast.NewTerm(decoded{item.Value}.project(s))) })
		return ast.NewArray(items...)
	}
	pairs := make([][2]*ast.Term, 0, object.Len())
	object.Foreach(func(name, item *ast.Term) {
		pairs = append(pairs, [2]*ast.Term{name, ast.NewTerm(decoded{item.Value}.project(s))})
	})
	return ast.NewObject(pairs...)
}

func (d decoded) project(s *selection) ast.Value {
	object, ok := d.value.(ast.Object)
	if s.items != nil && d.isComposite() {
		return d.projectItems(s.items)
	}
	if d.value == nil || s.whole || !ok {
		return d.value
	}
	pairs := make([][2]*ast.Term, 0, len(s.fields))
	for i := range s.fields {
		if value := (decoded{member(object, s.fields[i].term)}).project(s.fields[i].of); value != nil {
			pairs = append(pairs, [2]*ast.Term{s.fields[i].term, ast.NewTerm(value)})
		}
	}
	return ast.NewObject(pairs...)
}

func (d decoded) at(names []string, s *selection) ast.Value {
	for _, name := range names {
		object, ok := d.value.(ast.Object)
		if s = s.field(name); s == nil || !ok {
			return nil
		}
		d.value = member(object, ast.StringTerm(name))
	}
	return d.project(s)
}

func member(object ast.Object, name *ast.Term) ast.Value {
	if term := object.Get(name); term != nil {
		return term.Value
	}
	return nil
}

// joined is an object with one more member than rest has.
type joined struct {
	rest  Value
	name  *ast.Term
	value source
	// behalf is whom deciding is charged to.
	behalf string
}

func (j joined) charge() charge {
	return charge{to: onBehalfOf([]byte(j.behalf)), bytes: j.rest.decodedSize()}
}

func (j joined) appendKey(key []byte, s *selection) []byte {
	key = j.rest.appendKey(key, s) // a member of that name is no part of rest
	if of := s.field(string(j.name.Value.(ast.String))); of != nil {
		key = j.value.appendKey(key, of)
	}
	return key
}

func (j joined) project(s *selection) ast.Value {
	rest := j.rest.project(s).(ast.Object)
	of := s.field(string(j.name.Value.(ast.String)))
	if of == nil {
		return rest
	}
	value := j.value.project(of)
	if value == nil {
		return rest
	}
	pairs := make([][2]*ast.Term, 0, rest.Len()+1)
	rest.Foreach(func(k, v *ast.Term) { pairs = append(pairs, [2]*ast.Term{k, v}) })
	return ast.NewObject(append(pairs, [2]*ast.Term{j.name, ast.NewTerm(value)})...)
}

func (j joined) at(names []string, s *selection) ast.Value {
	if len(names) == 0 {
		return j.project(s)
	}
	if names[0] != string(j.name.Value.(ast.String)) {
		return j.rest.at(names, s)
	}
	of := s.field(names[0])
	if of == nil {
		return nil
	}
	return j.value.at(names[1:], of)
}
