package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// body walks a body that is inside the body of the branch.
func (b *body) body(exprs ast.Body) {
	b.closures++
	b.exprs(exprs)
	b.closures--
}

func (b *body) exprs(exprs ast.Body) {
	for _, expr := range exprs {
		b.expr(expr)
	}
}

func (b *body) expr(expr *ast.Expr) {
	if expr.Location != nil {
		b.location = expr.Location
	}
	for _, with := range expr.With {
		b.with(with)
	}
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		b.presence(terms)
	case []*ast.Term:
		b.call(terms)
	case *ast.Every:
		b.every(terms)
		b.body(terms.Body)
	case *ast.Not:
		b.body(terms.Body)
	case *ast.LogicalAnd:
		b.body(terms.Lhs)
		b.body(terms.Rhs)
	case *ast.LogicalOr:
		b.body(terms.Lhs)
		b.body(terms.Rhs)
	case *ast.SomeDecl:
	default:
		b.a.readEverything(b.location)
	}
}

// every binds the variables of an `every` as a `some` does.
func (b *body) every(every *ast.Every) {
	key := every.Key
	if key == nil {
		key = ast.VarTerm(ast.WildcardPrefix)
	}
	switch domain := every.Domain.Value.(type) {
	case ast.Var:
		b.unify(every.Value, ast.RefTerm(every.Domain, key))
	case ast.Ref:
		b.unify(every.Value, ast.NewTerm(domain.Append(key)))
	default:
		b.whole(key)
		b.whole(every.Value)
		b.whole(every.Domain)
	}
}

// with counts the value of a `with` and not its target, which is not read there. It
// records which functions are replaced.
func (b *body) with(with *ast.With) {
	b.whole(with.Value)
	target, ok := with.Target.Value.(ast.Ref)
	if !ok {
		b.a.mocks[with.Target.String()] = true
		return
	}
	node := b.a.function(target)
	document := target.HasPrefix(ast.InputRootRef) || target.HasPrefix(ast.DefaultRootRef)
	if !document || node != nil && len(node.Values[0].Head.Args) > 0 {
		b.a.mocks[target.String()] = true
	}
}
