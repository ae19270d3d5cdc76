package document

import (
	"encoding/binary"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Decoded is a Source in OPA's form: immutable, and safe to share. The zero value
// is an absent one.
type Decoded struct{ value ast.Value }

// NewDecoded is value as a Source; nil is an absent one.
func NewDecoded(value ast.Value) Decoded { return Decoded{value} }

// IsZero reports whether the value is absent.
func (d Decoded) IsZero() bool { return d.value == nil }

// Value is the value in OPA's form, nil for an absent one. It must not be changed.
func (d Decoded) Value() ast.Value { return d.value }

// DecodedByName is the object that has these members. It keeps none of the map.
func DecodedByName(members map[string]Decoded) Decoded {
	pairs := make([][2]*ast.Term, 0, len(members))
	for name, member := range members {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(member.value)})
	}
	return Decoded{ast.NewObject(pairs...)}
}

// AppendKey implements Source.
func (d Decoded) AppendKey(key []byte, s *Selection) []byte {
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
		key = Decoded{member(object, s.fields[i].term)}.AppendKey(key, s.fields[i].of)
	}
	return key
}

func (d Decoded) isComposite() bool {
	switch d.value.(type) {
	case *ast.Array, ast.Object:
		return true
	}
	return false
}

func (d Decoded) appendItems(key []byte, s *Selection) []byte {
	switch v := d.value.(type) {
	case *ast.Array:
		key = binary.AppendUvarint(append(key, tagItems), uint64(v.Len())) //nolint:gosec // not negative
		v.Foreach(func(item *ast.Term) { key = Decoded{item.Value}.AppendKey(key, s) })
	case ast.Object:
		key = binary.AppendUvarint(append(key, tagMembers), uint64(v.Len())) //nolint:gosec // not negative
		v.Foreach(func(name, item *ast.Term) {
			text := name.Value.String()
			key = binary.AppendUvarint(key, uint64(len(text)))
			key = append(key, text...)
			key = Decoded{item.Value}.AppendKey(key, s)
		})
	}
	return key
}

func (d Decoded) projectItems(s *Selection) ast.Value {
	object, ok := d.value.(ast.Object)
	if !ok {
		list := d.value.(*ast.Array)
		items := make([]*ast.Term, 0, list.Len())
		list.Foreach(func(item *ast.Term) { items = append(items, ast.NewTerm(Decoded{item.Value}.Project(s))) })
		return ast.NewArray(items...)
	}
	pairs := make([][2]*ast.Term, 0, object.Len())
	object.Foreach(func(name, item *ast.Term) {
		pairs = append(pairs, [2]*ast.Term{name, ast.NewTerm(Decoded{item.Value}.Project(s))})
	})
	return ast.NewObject(pairs...)
}

// Project implements Source.
func (d Decoded) Project(s *Selection) ast.Value {
	object, ok := d.value.(ast.Object)
	if s.items != nil && d.isComposite() {
		return d.projectItems(s.items)
	}
	if d.value == nil || s.whole || !ok {
		return d.value
	}
	pairs := make([][2]*ast.Term, 0, len(s.fields))
	for i := range s.fields {
		if value := (Decoded{member(object, s.fields[i].term)}).Project(s.fields[i].of); value != nil {
			pairs = append(pairs, [2]*ast.Term{s.fields[i].term, ast.NewTerm(value)})
		}
	}
	return ast.NewObject(pairs...)
}

// At implements Source.
func (d Decoded) At(names []string, s *Selection) ast.Value {
	for _, name := range names {
		object, ok := d.value.(ast.Object)
		if s = s.Field(name); s == nil || !ok {
			return nil
		}
		d.value = member(object, ast.StringTerm(name))
	}
	return d.Project(s)
}

// Member is the member of object that is called so, nil for none.
func Member(object ast.Object, name string) ast.Value {
	return member(object, ast.StringTerm(name))
}

func member(object ast.Object, name *ast.Term) ast.Value {
	if term := object.Get(name); term != nil {
		return term.Value
	}
	return nil
}
