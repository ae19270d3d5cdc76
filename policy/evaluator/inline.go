package evaluator

import (
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// predicate is a builtin function of two arguments whose result is true or
// false. ok is false for arguments that it leaves to OPA's own implementation.
type predicate func(a, b *ast.Term) (holds, ok bool)

// predicates are the builtin functions that policies call most, done without a
// call through OPA. They have to agree with it for every argument they take.
func predicates(name string) predicate {
	switch name {
	case ast.Equal.Name:
		return func(a, b *ast.Term) (bool, bool) { return a.Equal(b), true }
	case ast.NotEqual.Name:
		return func(a, b *ast.Term) (bool, bool) { return !a.Equal(b), true }
	case ast.LessThan.Name:
		return func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) < 0, true }
	case ast.LessThanEq.Name:
		return func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) <= 0, true }
	case ast.GreaterThan.Name:
		return func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) > 0, true }
	case ast.GreaterThanEq.Name:
		return func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) >= 0, true }
	case ast.Member.Name:
		return func(a, b *ast.Term) (bool, bool) { return member(a, b), true }
	case ast.StartsWith.Name:
		return ofStrings(strings.HasPrefix)
	case ast.EndsWith.Name:
		return ofStrings(strings.HasSuffix)
	case ast.Contains.Name:
		return ofStrings(strings.Contains)
	}
	return nil
}

func ofStrings(f func(a, b string) bool) predicate {
	return func(a, b *ast.Term) (holds, ok bool) {
		x, ok1 := a.Value.(ast.String)
		y, ok2 := b.Value.(ast.String)
		if !ok1 || !ok2 {
			return false, false
		}
		return f(string(x), string(y)), true
	}
}

// member is internal.member_2, the function behind `in`.
func member(elem, collection *ast.Term) bool {
	switch c := collection.Value.(type) {
	case *ast.Array:
		if s, ok := elem.Value.(ast.String); ok {
			for i, n := 0, c.Len(); i < n; i++ {
				if v, ok := c.Elem(i).Value.(ast.String); ok && v == s {
					return true
				}
			}
			return false
		}
		if n, ok := elem.Value.(ast.Number); ok {
			return memberNumber(n, c)
		}
		for i, n := 0, c.Len(); i < n; i++ {
			if elem.Equal(c.Elem(i)) {
				return true
			}
		}
		return false
	case ast.Set:
		return c.Contains(elem)
	case ast.Object:
		return c.Until(func(_, v *ast.Term) bool { return elem.Equal(v) })
	}
	return false
}

// memberNumber looks at how numbers are written before it asks whether they are
// equal all the same.
func memberNumber(n ast.Number, c *ast.Array) bool {
	for i, l := 0, c.Len(); i < l; i++ {
		if v, ok := c.Elem(i).Value.(ast.Number); ok && (v == n || v.Equal(n)) {
			return true
		}
	}
	return false
}

// kinds are the builtin functions that ask for the type of their argument.
func kinds(name string) func(ast.Value) bool {
	switch name {
	case ast.IsString.Name:
		return func(v ast.Value) bool { _, ok := v.(ast.String); return ok }
	case ast.IsNumber.Name:
		return func(v ast.Value) bool { _, ok := v.(ast.Number); return ok }
	case ast.IsBoolean.Name:
		return func(v ast.Value) bool { _, ok := v.(ast.Boolean); return ok }
	case ast.IsArray.Name:
		return func(v ast.Value) bool { _, ok := v.(*ast.Array); return ok }
	case ast.IsObject.Name:
		return func(v ast.Value) bool { _, ok := v.(ast.Object); return ok }
	case ast.IsSet.Name:
		return func(v ast.Value) bool { _, ok := v.(ast.Set); return ok }
	case ast.IsNull.Name:
		return func(v ast.Value) bool { _, ok := v.(ast.Null); return ok }
	}
	return nil
}

// inline lowers a call that needs nothing of OPA's, or gives nil.
func (l *lowering) inline(s *ir.CallStmt, args []operand) statement {
	result := int(s.Result)
	if is := kinds(s.Func); is != nil && len(args) == 1 {
		arg := args[0]
		return func(m *machine, f frame) code {
			v := arg.in(f)
			if v == nil {
				return m.fail(errUnplanned)
			}
			f[result] = ast.InternedTerm(is(v.Value))
			return next
		}
	}
	switch {
	case s.Func == ast.Count.Name && len(args) == 1:
		return values(args, result, func(v []*ast.Term) *ast.Term { return size(v[0]) })
	case s.Func == ast.ObjectGet.Name && len(args) == 3:
		return values(args, result, func(v []*ast.Term) *ast.Term { return objectGet(v[0], v[1], v[2]) })
	}
	if holds := predicates(s.Func); holds != nil && len(args) == 2 {
		a, b := args[0], args[1]
		return func(m *machine, f frame) code {
			x, y := a.in(f), b.in(f)
			if x == nil || y == nil {
				return m.fail(errUnplanned)
			}
			v, ok := holds(x, y)
			if !ok {
				return m.fail(errUnplanned)
			}
			f[result] = ast.InternedTerm(v)
			return next
		}
	}
	return nil
}

// values lowers a function of defined arguments. It gives nil for those that it
// leaves to OPA's own implementation.
func values(args []operand, result int, apply func([]*ast.Term) *ast.Term) statement {
	return func(m *machine, f frame) code {
		b := &m.builtins
		b.operands = b.operands[:0]
		for _, a := range args {
			v := a.in(f)
			if v == nil {
				return m.fail(errUnplanned)
			}
			b.operands = append(b.operands, v)
		}
		v := apply(b.operands)
		if v == nil {
			return m.fail(errUnplanned)
		}
		f[result] = v
		return next
	}
}

// size is count of OPA.
func size(t *ast.Term) *ast.Term {
	switch v := t.Value.(type) {
	case *ast.Array:
		return ast.InternedTerm(v.Len())
	case ast.Object:
		return ast.InternedTerm(v.Len())
	case ast.Set:
		return ast.InternedTerm(v.Len())
	case ast.String:
		return ast.InternedTerm(utf8.RuneCountInString(string(v)))
	}
	return nil
}

// objectGet is object.get of OPA, whose key may be a path.
func objectGet(object, key, otherwise *ast.Term) *ast.Term {
	if objectIn(object) == nil {
		return nil
	}
	found := object
	if path, ok := key.Value.(*ast.Array); ok {
		for i, n := 0, path.Len(); i < n && found != nil; i++ {
			found = found.Get(path.Elem(i))
		}
	} else {
		found = found.Get(key)
	}
	if found == nil {
		return otherwise
	}
	return found
}
