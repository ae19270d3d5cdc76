package document

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Root is the whole document.
func (d *Document) Root() Value { return Value{document: d, index: 0} }

// Value is one value of a JSON document. The zero Value is an absent one.
type Value struct {
	document *Document
	index    uint32
}

func (v Value) node() *node { return &v.document.nodes[v.index] }

// Absent reports whether there is no value.
func (v Value) Absent() bool { return v.document == nil }

// IsNull reports whether the value is absent or null.
func (v Value) IsNull() bool { return v.document == nil || v.node().kind == 'n' }

// Values is how many JSON values there are in the value, itself included, and
// what was hidden too; 0 for an absent one.
func (v Value) Values() int {
	if v.Absent() {
		return 0
	}
	return int(v.node().next - v.index)
}

// Kind is that of the value; an absent one is undefined.
func (v Value) Kind() Kind {
	if v.document == nil {
		return kindUndefined
	}
	switch v.node().kind {
	case 'n':
		return kindNull
	case 't', 'f':
		return kindBoolean
	case '0':
		return KindNumber
	case '"':
		return kindString
	case '[':
		return kindList
	}
	return kindObject
}

// IsObject reports whether the value is an object.
func (v Value) IsObject() bool { return v.document != nil && v.node().kind == '{' }

// Raw is the text of the value as it was written. It must not be changed.
func (v Value) Raw() []byte { return v.document.bytes(v.node().raw) }

// Get returns the member called name; absent where there is none, or where the
// value is no object.
func (v Value) Get(name string) Value {
	if !v.IsObject() {
		return Value{}
	}
	nodes := v.document.nodes
	for i := v.index + 1; i < nodes[v.index].next; i = nodes[i].next {
		if n := &nodes[i]; !n.hidden && string(v.document.bytes(n.name)) == name {
			return Value{document: v.document, index: i}
		}
	}
	return Value{}
}

// each calls visit for every member or item in order, until it returns false.
func (v Value) each(visit func(name []byte, value Value) bool) {
	nodes := v.document.nodes
	for i := v.index + 1; i < nodes[v.index].next; i = nodes[i].next {
		if n := &nodes[i]; !n.hidden && !visit(v.document.bytes(n.name), Value{document: v.document, index: i}) {
			return
		}
	}
}

// Members calls visit for every member of an object, in order, until that
// fails. The name is valid during the call only.
func (v Value) Members(visit func(name []byte, value Value) error) (err error) {
	if v.IsObject() {
		v.each(func(name []byte, value Value) bool {
			err = visit(name, value)
			return err == nil
		})
	}
	return err
}

// Object returns the object at name; absent when it is absent or null.
func (v Value) Object(name string) (Value, error) {
	member := v.Get(name)
	switch {
	case member.IsNull():
		return Value{}, nil
	case member.IsObject():
		return member, nil
	}
	return Value{}, fmt.Errorf("%s: must be an object, not %s", name, member.Kind())
}

// String returns the string at name, "" when it is absent or null.
func (v Value) String(name string) (string, error) {
	raw, err := v.text(name)
	if err != nil || raw == nil {
		return "", err
	}
	return unquote(raw), nil
}

// CheckString is String without a result.
func (v Value) CheckString(name string) error {
	_, err := v.text(name)
	return err
}

// text returns the raw text of the string at name, nil when it is absent or null.
func (v Value) text(name string) ([]byte, error) {
	member := v.Get(name)
	switch {
	case member.IsNull():
		return nil, nil
	case member.node().kind == '"':
		return member.Raw(), nil
	}
	return nil, fmt.Errorf("%s: must be a string, not %s", name, member.Kind())
}

// Is reports whether the member called name is the string want.
func (v Value) Is(name, want string) bool {
	member := v.Get(name)
	if member.Absent() || member.node().kind != '"' {
		return false
	}
	raw := member.Raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1:len(raw)-1]) == want
	}
	return unquote(raw) == want
}

// Strings returns the list of strings at name, nil when it is absent or null.
func (v Value) Strings(name string) ([]string, error) {
	var out []string
	_, err := v.strings(name, func(raw []byte) { out = append(out, unquote(raw)) })
	return out, err
}

// StringOrStrings returns the strings at name, where one may stand without a
// list around it, as the "aud" claim of a JWT (RFC 7519 §4.1.3) does; nil when
// it is absent or null.
func (v Value) StringOrStrings(name string) ([]string, error) {
	found := v.Get(name)
	switch {
	case found.IsNull():
		return nil, nil
	case found.node().kind == '"':
		text, err := v.String(name)
		return []string{text}, err
	case found.node().kind == '[':
		list, err := v.Strings(name)
		if err == nil && list == nil {
			list = []string{} // which is not absent
		}
		return list, err
	default:
		return nil, fmt.Errorf("%s: must be a string or a list of strings, not %s", name, found.Kind())
	}
}

// Number returns the number at name, and false when it is absent or null. One
// that a float64 cannot hold exactly is rounded.
func (v Value) Number(name string) (float64, bool, error) {
	found := v.Get(name)
	switch {
	case found.IsNull():
		return 0, false, nil
	case found.node().kind != '0':
		return 0, false, fmt.Errorf("%s: must be a number, not %s", name, found.Kind())
	}
	number, err := strconv.ParseFloat(string(found.Raw()), 64)
	if err != nil {
		return 0, false, fmt.Errorf("%s: is out of range", name)
	}
	return number, true, nil
}

// CheckStrings is Strings with only the number of strings as its result.
func (v Value) CheckStrings(name string) (int, error) {
	return v.strings(name, func([]byte) {})
}

func (v Value) strings(name string, visit func(raw []byte)) (count int, err error) {
	if count, err = v.Get(name).listOfStrings(visit); err != nil {
		err = fmt.Errorf("%s%w", name, err)
	}
	return count, err
}

// listOfStrings visits the raw texts of a list of strings. The text of an error
// continues the name of the list.
func (v Value) listOfStrings(visit func(raw []byte)) (count int, err error) {
	if v.IsNull() {
		return 0, nil
	}
	if v.node().kind != '[' {
		return 0, fmt.Errorf(": must be a list of strings, not %s", v.Kind())
	}
	v.each(func(_ []byte, item Value) bool {
		if item.node().kind != '"' {
			err = fmt.Errorf("[%d]: must be a string, not %s", count, item.Kind())
			return false
		}
		visit(item.Raw())
		count++
		return true
	})
	return count, err
}

// CheckStringLists checks that name, when present, maps names to lists of
// strings, as the `extra` of a Kubernetes user does.
func (v Value) CheckStringLists(name string) error {
	lists, err := v.Object(name)
	if err != nil || lists.Absent() {
		return err
	}
	lists.each(func(key []byte, list Value) bool {
		if _, err = list.listOfStrings(func([]byte) {}); err != nil {
			err = fmt.Errorf("%s.%s%w", name, key, err)
		}
		return err == nil
	})
	return err
}

// Objects checks that name, when present, is a list of objects, and returns them.
func (v Value) Objects(name string) ([]Value, error) {
	member := v.Get(name)
	if member.IsNull() {
		return nil, nil
	}
	if member.node().kind != '[' {
		return nil, fmt.Errorf("%s: must be a list of objects, not %s", name, member.Kind())
	}
	var out []Value
	var err error
	member.each(func(_ []byte, item Value) bool {
		if !item.IsObject() {
			err = fmt.Errorf("%s[%d]: must be an object, not %s", name, len(out), item.Kind())
			return false
		}
		out = append(out, item)
		return true
	})
	return out, err
}

// Items are those of a list. An error says that the value is none.
func (v Value) Items() ([]Value, error) {
	if v.Absent() || v.node().kind != '[' {
		return nil, fmt.Errorf("must be a list, not %s", v.Kind())
	}
	var out []Value
	v.each(func(_ []byte, item Value) bool {
		out = append(out, item)
		return true
	})
	return out, nil
}

// Text returns the value as a string, and false where it is none.
func (v Value) Text() (string, bool) {
	if v.Absent() || v.node().kind != '"' {
		return "", false
	}
	return unquote(v.Raw()), true
}

// count is how many members or items each visits.
func (v Value) count() int {
	nodes, count := v.document.nodes, 0
	for i := v.index + 1; i < nodes[v.index].next; i = nodes[i].next {
		if !nodes[i].hidden {
			count++
		}
	}
	return count
}

// unquote decodes a JSON string that was checked before.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

// Position is where the text of a value that was not edited lies in that of its
// document: from start up to end, in bytes.
func (v Value) Position() (start, end int) {
	raw := v.node().raw
	return int(raw.start), int(raw.end)
}
