package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

// part is what composite holds under key, nil when there is none. A set holds
// its elements under themselves.
func part(composite, key *ast.Term) *ast.Term {
	switch v := composite.Value.(type) {
	case *ast.Array:
		return v.Get(key)
	case ast.Object:
		return v.Get(key)
	case ast.Set:
		if v.Contains(key) {
			return key
		}
	}
	return nil
}

func objectIn(t *ast.Term) ast.Object {
	if t == nil {
		return nil
	}
	object, _ := t.Value.(ast.Object)
	return object
}

func asString(t *ast.Term) (string, bool) {
	if t == nil {
		return "", false
	}
	s, ok := t.Value.(ast.String)
	return string(s), ok
}

func elementOf(composite, key *ast.Term) *ast.Term {
	if composite == nil {
		return nil
	}
	return part(composite, key)
}

var noMembers = ast.NewObject()
