package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// class is a variable with all the variables that are equal to it.
type class struct {
	parent   *class // the class that this one is part of, nil for none
	bindings []binding
	// whole says that the value of the variable is read whole, not only fields of it.
	whole      bool
	location   *ast.Location
	busy, done bool
	value      value
	// constant is the value that the variable is known to have from here on, nil for none.
	constant *ast.Term
}

// class finds the class of the variable called name.
func (b *body) class(name ast.Var) *class {
	c, ok := b.classes[name]
	if !ok {
		c = &class{}
		b.classes[name] = c
		b.ordered = append(b.ordered, c)
	}
	return c.representative()
}

// representative is the class that c has become part of.
func (c *class) representative() *class {
	for c.parent != nil {
		c = c.parent
	}
	return c
}

// join makes two classes one. Two bindings are compared with each other, so a class that
// has more than one reads both whole.
func (b *body) join(x, y *class) {
	if x == y {
		return
	}
	y.parent = x
	if x.constant == nil || y.constant == nil || !x.constant.Equal(y.constant) {
		x.constant = nil // the value of one of them is not known
	}
	x.bindings = append(x.bindings, y.bindings...)
	if y.whole && !x.whole {
		x.whole, x.location = true, y.location
	}
}

// bind makes term equal to the value of a parameter or of a call.
func (b *body) bind(term *ast.Term, given binding) {
	switch v := term.Value.(type) {
	case ast.Var:
		c := b.class(v)
		c.bindings = append(c.bindings, given)
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		b.uses = append(b.uses, use{binding: given})
	default:
		b.whole(term)
		b.uses = append(b.uses, use{binding: given, whole: true})
	}
}

// unify makes two terms equal.
func (b *body) unify(x, y *ast.Term) {
	left, leftVar := variable(x)
	right, rightVar := variable(y)
	switch {
	case leftVar && rightVar:
		b.join(b.class(left), b.class(right))
	case leftVar:
		b.equate(left, y)
	case rightVar:
		b.equate(right, x)
	case ast.IsScalar(x.Value):
		b.presence(y)
	case ast.IsScalar(y.Value):
		b.presence(x)
	default:
		b.whole(x)
		b.whole(y)
	}
}

// equate makes a variable equal to a term that is no variable.
func (b *body) equate(name ast.Var, term *ast.Term) {
	if ast.IsScalar(term.Value) {
		// To compare with a scalar reads nothing inside an object.
		b.assign(name, term)
		return
	}
	c := b.class(name)
	ref, ok := term.Value.(ast.Ref)
	if !ok {
		b.whole(term)
		c.bindings = append(c.bindings, binding{location: b.location})
		return
	}
	b.operands(ref)
	c.bindings = append(c.bindings, b.refTo(ref))
}

// variable gives the name of a term that is a local variable.
func variable(term *ast.Term) (ast.Var, bool) {
	name, ok := term.Value.(ast.Var)
	if !ok || isRoot(name) {
		return "", false
	}
	return name, true
}

func isRoot(name ast.Var) bool {
	return name.Equal(ast.InputRootDocument.Value) || name.Equal(ast.DefaultRootDocument.Value)
}
