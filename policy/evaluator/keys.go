package evaluator

import (
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// foundByName reports whether a reference to data finds more under key than the
// value of the key says: OPA's interpreter reads it as a path of strings, so
// that 2 finds "2" in an object, and "2" an element of an array.
func foundByName(composite, key *ast.Term) bool {
	switch v := composite.Value.(type) {
	case *ast.Array:
		name, ok := key.Value.(ast.String)
		if !ok {
			return false
		}
		i, err := strconv.Atoi(string(name))
		return err == nil && i >= 0 && i < v.Len()
	case *layer:
		return !v.inside && v.base != nil && foundByName(v.base, key) || memberByName(v, key)
	case ast.Object:
		return memberByName(v, key)
	}
	return false
}

func memberByName(object ast.Object, key *ast.Term) bool {
	n, ok := key.Value.(ast.Number)
	return ok && object.Get(ast.StringTerm(n.String())) != nil
}

// alike reports whether a and b differ only in that one is a number and the other the
// string of its digits. Where the interpreter knows the key before it reads data, it
// finds the one for the other; see foundByName.
func alike(a, b *ast.Term) bool {
	switch x := a.Value.(type) {
	case ast.Number:
		switch y := b.Value.(type) {
		case ast.String:
			return string(x) == string(y)
		case ast.Number:
			return x == y || x.Equal(y)
		}
		return false
	case ast.String:
		switch y := b.Value.(type) {
		case ast.String:
			return x == y
		case ast.Number:
			return string(x) == string(y)
		}
		return false
	case *ast.Array:
		y, ok := b.Value.(*ast.Array)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i := range x.Len() {
			if !alike(x.Elem(i), y.Elem(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// hasDigits reports whether a constant key may be alike to another one.
func hasDigits(key *ast.Term) bool {
	if s, ok := key.Value.(ast.String); ok {
		_, err := strconv.ParseFloat(string(s), 64)
		return err == nil
	}
	return true
}

// hasAlike reports whether composite holds something under a key that is alike.
func hasAlike(composite, key *ast.Term) bool {
	if composite == nil {
		return false
	}
	switch k := key.Value.(type) {
	case ast.Number:
		return part(composite, ast.StringTerm(string(k))) != nil
	case ast.String:
		_, err := strconv.ParseFloat(string(k), 64)
		return err == nil && part(composite, ast.NewTerm(ast.Number(string(k)))) != nil
	case *ast.Array:
		switch v := composite.Value.(type) {
		case ast.Set:
			return slices.ContainsFunc(v.Slice(), func(elem *ast.Term) bool { return alike(elem, key) })
		case ast.Object:
			return slices.ContainsFunc(v.Keys(), func(elem *ast.Term) bool { return alike(elem, key) })
		}
	}
	return false
}
