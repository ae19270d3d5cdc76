package policy

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Object is a decoded JSON object, immutable and safe to share. It keeps
// package handlers free of OPA's types. The zero value is an absent object.
type Object struct {
	value ast.Object
	// within is the length, in bytes, of the text that strings of it are parts of,
	// which stays in memory as long as any of them does; 0 where there is none.
	within int
}

// DecodeObject is DecodeValue for a document that has to be an object.
func DecodeObject(content []byte) (Object, error) {
	parsed, err := ParseObject(content)
	if err != nil {
		return Object{}, err
	}
	defer parsed.Release()
	parsed.whole = string(content) // one copy, of which the strings are parts
	return Object{value: parsed.Root().decode().(ast.Object), within: len(content)}, nil
}

// JSON is the object as JSON text.
func (o Object) JSON() ([]byte, error) {
	if o.IsZero() {
		return []byte("null"), nil
	}
	value, err := ast.JSON(o.value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// IsZero reports whether the object is absent.
func (o Object) IsZero() bool { return o.value == nil }

// get returns the value at key, nil when it is absent.
func (o Object) get(key string) ast.Value {
	if o.value == nil {
		return nil
	}
	term := o.value.Get(ast.StringTerm(key))
	if term == nil {
		return nil
	}
	return term.Value
}

// Object returns the object at key; the zero Object when it is absent or null.
func (o Object) Object(key string) (Object, error) {
	switch v := o.get(key).(type) {
	case nil, ast.Null:
		return Object{}, nil
	case ast.Object:
		return Object{value: v, within: o.within}, nil
	default:
		return Object{}, fmt.Errorf("%s: must be an object, not %s", key, kindOf(v))
	}
}

// String returns the string at key, "" when it is absent or null.
func (o Object) String(key string) (string, error) {
	switch v := o.get(key).(type) {
	case nil, ast.Null:
		return "", nil
	case ast.String:
		return string(v), nil
	default:
		return "", fmt.Errorf("%s: must be a string, not %s", key, kindOf(v))
	}
}

// StringOrStrings returns the strings at key, where one may stand without a
// list around it, as the "aud" claim of a JWT (RFC 7519 §4.1.3) does; nil when
// it is absent or null.
func (o Object) StringOrStrings(key string) ([]string, error) {
	switch v := o.get(key).(type) {
	case nil, ast.Null:
		return nil, nil
	case ast.String:
		return []string{string(v)}, nil
	case *ast.Array:
		out := make([]string, 0, v.Len())
		for i := range v.Len() {
			item, ok := v.Elem(i).Value.(ast.String)
			if !ok {
				return nil, fmt.Errorf("%s: must hold strings, not %s", key, kindOf(v.Elem(i).Value))
			}
			out = append(out, string(item))
		}
		return out, nil
	default:
		return nil, fmt.Errorf("%s: must be a string or a list of strings, not %s", key, kindOf(v))
	}
}

// Number returns the number at key, and false when it is absent or null. One
// that a float64 cannot hold exactly is rounded.
func (o Object) Number(key string) (float64, bool, error) {
	switch v := o.get(key).(type) {
	case nil, ast.Null:
		return 0, false, nil
	case ast.Number:
		number, ok := v.Float64()
		if !ok {
			return 0, false, fmt.Errorf("%s: is out of range", key)
		}
		return number, true, nil
	default:
		return 0, false, fmt.Errorf("%s: must be a number, not %s", key, kindOf(v))
	}
}

// Equal reports whether both hold the same, or both are absent.
func (o Object) Equal(other Object) bool {
	if o.IsZero() || other.IsZero() {
		return o.IsZero() == other.IsZero()
	}
	return o.value.Compare(other.value) == 0
}

// Size is about how many bytes the object takes in memory.
func (o Object) Size() int {
	if o.IsZero() {
		return 0
	}
	return o.within + sizeOf(o.value)
}

// kindOf names the JSON (or Rego) type of v for messages.
func kindOf(v ast.Value) string {
	switch v.(type) {
	case nil:
		return "undefined"
	case ast.Null:
		return "null"
	case ast.Boolean:
		return "a boolean"
	case ast.Number:
		return "a number"
	case ast.String:
		return "a string"
	case *ast.Array:
		return "a list"
	case ast.Object:
		return "an object"
	case ast.Set:
		return "a set"
	}
	return fmt.Sprintf("%T", v)
}

// ObjectsByName is an object of objects. It keeps none of the map.
func ObjectsByName(objects map[string]Object) Object {
	pairs := make([][2]*ast.Term, 0, len(objects))
	for name, object := range objects {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(object.value)})
	}
	return Object{value: ast.NewObject(pairs...)}
}
