package document

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Kind is the type of a value of JSON or Rego, in words for messages.
type Kind string

// The kinds of values.
const (
	kindUndefined Kind = "undefined"
	kindNull      Kind = "null"
	kindBoolean   Kind = "a boolean"
	KindNumber    Kind = "a number"
	kindString    Kind = "a string"
	kindList      Kind = "a list"
	kindObject    Kind = "an object"
	kindSet       Kind = "a set"
)

// KindOf is the kind of a value in OPA's form; nil is undefined.
func KindOf(value ast.Value) Kind {
	switch value.(type) {
	case nil:
		return kindUndefined
	case ast.Null:
		return kindNull
	case ast.Boolean:
		return kindBoolean
	case ast.Number:
		return KindNumber
	case ast.String:
		return kindString
	case *ast.Array:
		return kindList
	case ast.Object:
		return kindObject
	case ast.Set:
		return kindSet
	}
	return Kind(fmt.Sprintf("%T", value))
}
