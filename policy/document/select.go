package document

import (
	"encoding/binary"

	"github.com/open-policy-agent/opa/v1/ast"
)

// AppendKey implements Source.
func (v Value) AppendKey(key []byte, s *Selection) []byte {
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
		key = v.Get(s.fields[i].name).AppendKey(key, s.fields[i].of)
	}
	return key
}

func (v Value) isComposite() bool { return v.node().kind == '{' || v.node().kind == '[' }

// appendItems appends what s selects of each item of a list, or member of an object.
func (v Value) appendItems(key []byte, s *Selection) []byte {
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
		key = item.AppendKey(key, s)
		return true
	})
	return key
}

// projectItems is the same with what s selects of each item, or member.
func (v Value) projectItems(s *Selection) ast.Value {
	count := v.count()
	if !v.IsObject() {
		items := make([]*ast.Term, 0, count)
		v.each(func(_ []byte, item Value) bool {
			items = append(items, ast.NewTerm(item.Project(s)))
			return true
		})
		return ast.NewArray(items...)
	}
	pairs := make([][2]*ast.Term, 0, count)
	v.each(func(name []byte, item Value) bool {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(string(name)), ast.NewTerm(item.Project(s))})
		return true
	})
	return ast.NewObject(pairs...)
}

// Project implements Source.
func (v Value) Project(s *Selection) ast.Value {
	if v.Absent() {
		return nil
	}
	if s.items != nil && v.isComposite() {
		return v.projectItems(s.items)
	}
	if s.whole || !v.IsObject() {
		return v.Decode()
	}
	pairs := make([][2]*ast.Term, 0, len(s.fields))
	for i := range s.fields {
		if value := v.Get(s.fields[i].name).Project(s.fields[i].of); value != nil {
			pairs = append(pairs, [2]*ast.Term{s.fields[i].term, ast.NewTerm(value)})
		}
	}
	return ast.NewObject(pairs...)
}

// At implements Source.
func (v Value) At(names []string, s *Selection) ast.Value {
	for _, name := range names {
		if s = s.Field(name); s == nil {
			return nil
		}
		v = v.Get(name)
	}
	return v.Project(s)
}
