package policy

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// User is the user that a token's bearer becomes: authentication.k8s.io UserInfo.
type User struct {
	Username string
	UID      string
	// Groups are in the order of the policy's list, sorted when it gives a set;
	// each is there once. nil when there are none.
	Groups []string
	// Extra holds values in the order of Groups; nil when there are none.
	Extra map[string][]string
}

// userOf reads the value of the user rule. Names must be strings: a number
// turned into a name would be a guess.
func userOf(path string, value ast.Value) (*User, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return nil, shapeError(path, "must be an object, not %s", document.KindOf(value))
	}
	user := &User{}
	var err error
	if user.Username, err = stringAt(object, "username"); err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if user.UID, err = stringAt(object, "uid"); err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if user.Groups, err = names(document.Member(object, "groups")); err != nil {
		return nil, shapeError(path, "groups: %v", err)
	}
	extra, err := objectAt(object, "extra")
	if err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if extra == nil || extra.Len() == 0 {
		return user, nil
	}
	user.Extra = make(map[string][]string, extra.Len())
	err = extra.Iter(func(k, v *ast.Term) error {
		key, ok := k.Value.(ast.String)
		if !ok {
			return shapeError(path, "extra: a key is a string, not %s", document.KindOf(k.Value))
		}
		values, err := names(v.Value)
		if err != nil {
			return shapeError(path, "extra[%q]: %v", string(key), err)
		}
		if len(values) > 0 {
			user.Extra[string(key)] = values
		}
		return nil
	})
	return user, err
}

// stringAt is the string at name, "" when it is absent or null.
func stringAt(object ast.Object, name string) (string, error) {
	switch v := document.Member(object, name).(type) {
	case nil, ast.Null:
		return "", nil
	case ast.String:
		return string(v), nil
	default:
		return "", fmt.Errorf("%s: must be a string, not %s", name, document.KindOf(v))
	}
}

// objectAt is the object at name, nil when it is absent or null.
func objectAt(object ast.Object, name string) (ast.Object, error) {
	switch v := document.Member(object, name).(type) {
	case nil, ast.Null:
		return nil, nil
	case ast.Object:
		return v, nil
	default:
		return nil, fmt.Errorf("%s: must be an object, not %s", name, document.KindOf(v))
	}
}

// names reads a list of strings, in its order and without repeats, or a set of
// them, sorted.
func names(value ast.Value) ([]string, error) {
	var out []string
	add := func(t *ast.Term) error {
		s, ok := t.Value.(ast.String)
		if !ok {
			return fmt.Errorf("must hold strings, not %s", document.KindOf(t.Value))
		}
		out = append(out, string(s))
		return nil
	}
	switch v := value.(type) {
	case nil, ast.Null:
		return nil, nil
	case ast.Set:
		err := v.Iter(add)
		slices.Sort(out)
		return out, err
	case *ast.Array:
		err := v.Iter(add)
		return withoutRepeats(out), err
	default:
		return nil, fmt.Errorf("must be a set or list of strings, not %s", document.KindOf(value))
	}
}

// withoutRepeats drops the strings that were there before, in place.
func withoutRepeats(list []string) []string {
	const few = 16 // below which comparing is cheaper than a map
	kept := list[:0]
	var seen map[string]bool
	if len(list) > few {
		seen = make(map[string]bool, len(list))
	}
	for _, text := range list {
		if seen[text] || seen == nil && slices.Contains(kept, text) {
			continue
		}
		if seen != nil {
			seen[text] = true
		}
		kept = append(kept, text)
	}
	return kept
}
