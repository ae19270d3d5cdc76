package policy

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Object is a decoded JSON object, immutable and safe to share. It keeps
// package handlers free of OPA's types. The zero value is an absent object.
type Object struct {
	value ast.Object
}

// DecodeObject is DecodeValue for a document that has to be an object.
func DecodeObject(content []byte) (Object, error) {
	v, err := DecodeValue(content)
	if err != nil {
		return Object{}, err
	}
	obj, ok := v.(ast.Object)
	if !ok {
		return Object{}, &SyntaxError{Message: "the document is " + kindOf(v) + ", not an object"}
	}
	return Object{value: obj}, nil
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
		return Object{value: v}, nil
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

// Strings returns the list of strings at key, nil when it is absent or null.
func (o Object) Strings(key string) ([]string, error) {
	switch v := o.get(key).(type) {
	case nil, ast.Null:
		return nil, nil
	case *ast.Array:
		return stringsOf(key, v)
	default:
		return nil, fmt.Errorf("%s: must be a list of strings, not %s", key, kindOf(v))
	}
}

// StringLists checks that key, when present, maps names to lists of strings,
// as the `extra` of a Kubernetes user does.
func (o Object) StringLists(key string) error {
	extra, err := o.Object(key)
	if err != nil || extra.IsZero() {
		return err
	}
	return extra.value.Iter(func(k, _ *ast.Term) error {
		name := string(k.Value.(ast.String))
		if _, err := extra.Strings(name); err != nil {
			return fmt.Errorf("%s.%w", key, err)
		}
		return nil
	})
}

// Objects checks that key, when present, is a list of objects, and returns them.
func (o Object) Objects(key string) ([]Object, error) {
	switch v := o.get(key).(type) {
	case nil, ast.Null:
		return nil, nil
	case *ast.Array:
		out := make([]Object, v.Len())
		for i := range v.Len() {
			obj, ok := v.Elem(i).Value.(ast.Object)
			if !ok {
				return nil, fmt.Errorf("%s[%d]: must be an object, not %s", key, i, kindOf(v.Elem(i).Value))
			}
			out[i] = Object{value: obj}
		}
		return out, nil
	default:
		return nil, fmt.Errorf("%s: must be a list of objects, not %s", key, kindOf(v))
	}
}

// With returns a copy of o in which key has the value of field; o is left as it is.
func (o Object) With(key string, field Field) Object {
	pairs := o.pairsWithout(key)
	return Object{value: ast.NewObject(append(pairs, [2]*ast.Term{ast.StringTerm(key), ast.NewTerm(field.value)})...)}
}

// Without returns a copy of o that lacks the keys; o is left as it is.
func (o Object) Without(keys ...string) Object {
	return Object{value: ast.NewObject(o.pairsWithout(keys...)...)}
}

// Renamed returns a copy of o in which the key from is called to. Nothing
// changes where from is absent.
func (o Object) Renamed(from, to string) Object {
	v := o.get(from)
	if v == nil {
		return o
	}
	return o.Without(from).With(to, Field{value: v})
}

func (o Object) pairsWithout(keys ...string) [][2]*ast.Term {
	if o.value == nil {
		return nil
	}
	pairs := make([][2]*ast.Term, 0, o.value.Len()+1)
	o.value.Foreach(func(k, v *ast.Term) {
		if s, ok := k.Value.(ast.String); ok && slices.Contains(keys, string(s)) {
			return
		}
		pairs = append(pairs, [2]*ast.Term{k, v})
	})
	return pairs
}

// Field is a value an Object can hold.
type Field struct {
	value ast.Value
}

// StringField is a JSON string.
func StringField(s string) Field { return Field{value: ast.String(s)} }

// ObjectField is a JSON object; the zero Object becomes an empty one.
func ObjectField(o Object) Field {
	if o.value == nil {
		return Field{value: ast.NewObject()}
	}
	return Field{value: o.value}
}

func stringsOf(key string, list *ast.Array) ([]string, error) {
	out := make([]string, list.Len())
	for i := range out {
		s, ok := list.Elem(i).Value.(ast.String)
		if !ok {
			return nil, fmt.Errorf("%s[%d]: must be a string, not %s", key, i, kindOf(list.Elem(i).Value))
		}
		out[i] = string(s)
	}
	return out, nil
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

// ObjectOf wraps a value that nobody will change any more.
func ObjectOf(value ast.Object) Object { return Object{value: value} }

// Value returns what o wraps, nil when it is absent. It must not be changed.
func (o Object) Value() ast.Object { return o.value }
