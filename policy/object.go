package policy

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Object is a decoded JSON object, immutable and safe to share. It keeps
// package handlers free of OPA's types. The zero value is an absent object.
type Object struct {
	value ast.Object
}

// DecodeObject is DecodeValue for a document that has to be an object.
func DecodeObject(content []byte) (Object, error) {
	parsed, err := ParseObject(content)
	if err != nil {
		return Object{}, err
	}
	defer parsed.Release()
	return Object{value: parsed.Root().decode().(ast.Object)}, nil
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
