package celrego

import (
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// cond returns the ways in which the expression is true (or false, as wanted):
// bodies of rules, of which one has to hold.
func (t *translator) cond(e ast.Expr, s *scope, want bool) [][]string {
	switch e.Kind() {
	case ast.LiteralKind:
		if is, ok := e.AsLiteral().Value().(bool); ok && is == want {
			return [][]string{{}}
		}
		return [][]string{{"false"}}
	case ast.CallKind:
		if alternatives := t.condCall(e, e.AsCall(), s, want); alternatives != nil {
			return alternatives
		}
	case ast.ComprehensionKind:
		if alternatives := t.condQuantifier(e.AsComprehension(), s, want); alternatives != nil {
			return alternatives
		}
	}
	v := t.value(e, s)
	return [][]string{append(slices.Clip(v.body), t.truth(v, want))}
}

// truth is the statement that the value is true, or false, as wanted.
func (t *translator) truth(v value, want bool) string {
	switch {
	case v.kind.types&boolean == 0:
		return "false"
	case v.predicate && !want:
		return "not " + v.term
	case v.kind.types == boolean && want:
		return v.term
	case want:
		return v.term + " == true"
	}
	return v.term + " == false"
}

// condCall is cond of the operators that absorb errors or compare; nil for others.
func (t *translator) condCall(e ast.Expr, call ast.CallExpr, s *scope, want bool) [][]string {
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalNot:
		return t.cond(args[0], s, !want)
	case operators.LogicalAnd, operators.LogicalOr:
		if want == (call.FunctionName() == operators.LogicalAnd) {
			return [][]string{append(t.single(args[0], s, want), t.single(args[1], s, want)...)}
		}
		return append(t.cond(args[0], s, want), t.cond(args[1], s, want)...)
	case operators.Conditional:
		return [][]string{
			append(t.single(args[0], s, true), t.single(args[1], s, want)...),
			append(t.single(args[0], s, false), t.single(args[2], s, want)...),
		}
	case operators.Equals, operators.NotEquals:
		body, statement := t.equality(e, args[0], args[1], s, want == (call.FunctionName() == operators.Equals))
		if statement != "true" {
			body = append(body, statement)
		}
		return [][]string{body}
	case operators.In:
		v := t.membership(e, args[0], args[1], s)
		return [][]string{append(slices.Clip(v.body), t.truth(v, want))}
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		v, operator := t.comparison(e, call, s)
		if !want {
			operator = opposite[operator]
		}
		return [][]string{append(v[2].body, v[0].term+" "+operator+" "+v[1].term)}
	}
	return nil
}

var opposite = map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<"}

// single is cond as one body, for which several ways become a rule.
func (t *translator) single(e ast.Expr, s *scope, want bool) []string {
	as := "false"
	if want {
		as = "true"
	}
	if call, ok := t.made[made{e.ID(), as}]; ok {
		return []string{call}
	}
	alternatives := t.cond(e, s, want)
	if len(alternatives) == 1 {
		return slices.Clone(alternatives[0])
	}
	return []string{t.helper(e, s, as, func() []clause {
		var clauses []clause
		for _, body := range alternatives {
			clauses = append(clauses, clause{body: body})
		}
		return clauses
	})}
}

// condQuantifier is cond of all and exists; nil for other macros. For these an
// error is absorbed by one element that decides.
func (t *translator) condQuantifier(c ast.ComprehensionExpr, s *scope, want bool) [][]string {
	all, predicate := quantifier(c)
	if predicate == nil {
		return nil
	}
	elements, inner := t.iteration(c, s)
	body := slices.Clone(elements.body)
	if want == all {
		if inside := settled(t.single(predicate, inner.scope, want)); len(inside) > 0 {
			return [][]string{append(body, "every "+inner.used(inside, "")+" in "+elements.term+" {\n\t"+strings.Join(inside, "\n\t")+"\n}")}
		}
		return [][]string{append(body, t.lib("defined", elements.term))}
	}
	inside := t.single(predicate, inner.scope, want)
	body = append(body, "some "+inner.used(inside, "")+" in "+elements.term)
	return [][]string{append(body, inside...)}
}

// quantifier recognises what the macros all and exists expand to; the predicate is
// nil for other macros.
func quantifier(c ast.ComprehensionExpr) (all bool, predicate ast.Expr) {
	step := c.LoopStep()
	if step.Kind() != ast.CallKind || c.Result().Kind() != ast.IdentKind || c.AccuInit().Kind() != ast.LiteralKind {
		return false, nil
	}
	call := step.AsCall()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return true, call.Args()[1]
	case operators.LogicalOr:
		return false, call.Args()[1]
	}
	return false, nil
}

// equality is the statement that the two are equal, or not, as wanted, and the body
// before it: "true" or "false" where that is known.
func (t *translator) equality(e, left, right ast.Expr, s *scope, want bool) (body []string, statement string) {
	a, b := t.value(left, s), t.value(right, s)
	if !comparableKinds(a.kind, b.kind) {
		t.refuse(e, "values of types that are one in Rego are compared")
	}
	if neverEqual(a.kind, b.kind) {
		a, b = t.defined(a), t.defined(b)
		return append(slices.Clone(a.body), b.body...), strconv.FormatBool(!want)
	}
	a = t.leading(a)
	operator := " != "
	if want {
		operator = " == "
	}
	return append(slices.Clone(a.body), b.body...), a.term + operator + b.term
}

// leading is a value whose term can begin a statement: one that begins with a sign or
// a bracket would go on with the line before.
func (t *translator) leading(v value) value {
	if strings.ContainsAny(v.term[:1], "-[{(") {
		v.literal = false
	}
	return t.bound(v, "left")
}

// neverEqual reports whether no value of one kind equals one of the other. Numbers
// of different types can.
func neverEqual(a, b *kind) bool {
	x, y := a.types, b.types
	if x&number != 0 {
		x |= number
	}
	return x&y == 0
}

// comparison returns both sides, and in a third value the body in which they can be
// compared.
func (t *translator) comparison(e ast.Expr, call ast.CallExpr, s *scope) (sides [3]value, operator string) {
	operator = map[string]string{
		operators.Less: "<", operators.LessEquals: "<=", operators.Greater: ">", operators.GreaterEquals: ">=",
	}[call.FunctionName()]
	a, b := t.bound(t.leading(t.argument(call.Args()[0], s)), "left"), t.bound(t.argument(call.Args()[1], s), "right")
	if (a.kind.types|b.kind.types)&^number&(text|typeName) == text|typeName {
		t.refuse(e, "values of types that are one in Rego are compared")
	}
	for _, kind := range []typeSet{number, text, boolean} {
		x, y := a.kind.types&^kind == 0, b.kind.types&^kind == 0
		if !x && !y {
			continue
		}
		a, b = t.only(e, a, kind), t.only(e, b, kind)
		return [3]value{a, b, {body: append(slices.Clone(a.body), b.body...)}}, operator
	}
	body := append(slices.Clone(a.body), b.body...)
	if shared := a.kind.types & b.kind.types; shared&(number|text|boolean) == 0 {
		body = append(body, "false")
	} else {
		body = append(body, t.lib("comparable", a.term, b.term))
	}
	return [3]value{a, b, {body: body}}, operator
}
