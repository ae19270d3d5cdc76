package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// binding is what a variable is bound to: the value of a parameter, of a reference, or
// of a call; or else a value that has been counted already.
type binding struct {
	kind      bindingKind
	parameter int
	ref       ast.Ref
	call      []*ast.Term
	location  *ast.Location
}

type bindingKind int

const (
	countedBinding bindingKind = iota
	parameterBinding
	refBinding
	callBinding
)

// valueOf is the value of the variables of c, where it can be followed.
func (b *body) valueOf(c *class) value {
	if c.done || c.whole || len(c.bindings) != 1 {
		return c.value
	}
	if c.busy {
		b.a.readEverything(b.location)
		return value{}
	}
	c.busy = true
	c.value = b.value(c.bindings[0])
	c.busy, c.done = false, true
	return c.value
}

func (b *body) value(of binding) value {
	switch of.kind {
	case parameterBinding:
		return placeAt(of.parameter)
	case refBinding:
		return b.refValue(of.ref)
	case callBinding:
		return b.callValue(of.call)
	}
	return value{}
}

func (b *body) refValue(ref ast.Ref) value {
	name, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return value{}
	case name.Equal(ast.InputRootDocument.Value):
		return b.a.follow(placeAt(inputRoot), ref[1:], b.of, b.location)
	case name.Equal(ast.DefaultRootDocument.Value):
		return b.a.data(ref, b.of, b.location)
	}
	if c, ok := b.classes[name]; ok {
		return b.a.follow(b.valueOf(c.representative()), ref[1:], b.of, b.location)
	}
	// A reference to a builtin: the value of a `with` can name one.
	if text := ref.String(); len(ref) > 1 {
		if _, known := ast.BuiltinMap[text]; known {
			b.builtin(text)
		}
	}
	return value{}
}

func (b *body) termValue(term *ast.Term) value {
	switch v := term.Value.(type) {
	case ast.Var:
		return b.refValue(ast.Ref{term})
	case ast.Ref:
		return b.refValue(v)
	}
	return value{}
}

// callValue is the value of a call that is made from its operands.
func (b *body) callValue(terms []*ast.Term) value {
	op := terms[0].Value.(ast.Ref)
	if op.Equal(ast.ObjectGet.Ref()) {
		if path, ok := keys(terms[2]); ok && !b.a.mocked[op.String()] {
			return b.termValue(terms[1]).extend(path)
		}
		return value{}
	}
	node := b.a.function(op)
	if node == nil || b.a.mocked[op.String()] || node == b.a.active {
		return value{}
	}
	result := b.a.callee(node, terms).result
	out := value{mixed: result.mixed}
	for _, p := range result.places {
		if p.root < 0 {
			out = out.merge(value{places: []place{p}})
		} else {
			out = out.merge(b.termValue(terms[1+p.root]).extend(p.path))
		}
	}
	if out.tooLarge() {
		b.a.read(out, b.of, b.location)
		return value{}
	}
	return out
}
