package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

func (b *body) refTo(ref ast.Ref) binding {
	if inserted := b.insertInto(ref); inserted != nil {
		ref = inserted
	}
	return binding{kind: refBinding, ref: ref, location: b.location}
}

// presence counts a presence check of term.
func (b *body) presence(term *ast.Term) {
	switch v := term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
	case ast.Var:
		b.uses = append(b.uses, use{binding: b.refTo(ast.Ref{term})})
	case ast.Ref:
		b.operands(v)
		b.uses = append(b.uses, use{binding: b.refTo(v)})
	default:
		b.whole(term)
	}
}

// operands counts the terms that ref is made of, not the value that it refers to.
func (b *body) operands(ref ast.Ref) {
	if _, ok := ref[0].Value.(ast.Var); !ok {
		b.whole(ref[0])
	}
	b.wholes(ref[1:])
}

func (b *body) wholes(terms []*ast.Term) {
	for _, term := range terms {
		b.whole(term)
	}
}

// whole counts term, and every term in it, as read whole.
func (b *body) whole(term *ast.Term) {
	switch v := term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
	case ast.Var:
		if isRoot(v) {
			b.uses = append(b.uses, use{binding: b.refTo(ast.Ref{term}), whole: true})
			return
		}
		c := b.class(v)
		if !c.whole {
			c.whole, c.location = true, b.location
		}
	case ast.Ref:
		b.operands(v)
		b.uses = append(b.uses, use{binding: b.refTo(v), whole: true})
	case *ast.Array:
		v.Foreach(b.whole)
	case ast.Set:
		v.Foreach(b.whole)
	case ast.Object:
		v.Foreach(func(key, value *ast.Term) {
			b.whole(key)
			b.whole(value)
		})
	case *ast.ArrayComprehension:
		b.body(v.Body)
		b.whole(v.Term)
	case *ast.SetComprehension:
		b.body(v.Body)
		b.whole(v.Term)
	case *ast.ObjectComprehension:
		b.body(v.Body)
		b.whole(v.Key)
		b.whole(v.Value)
	case ast.Call:
		b.call(v)
		b.uses = append(b.uses, use{binding: binding{kind: callBinding, call: v, location: b.location}, whole: true})
	default:
		b.a.readEverything(b.location)
	}
}
