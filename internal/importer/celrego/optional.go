package celrego

import (
	"slices"

	"github.com/google/cel-go/common/ast"
)

// An optional is a list in Rego: empty, or of the one value.

// optionalIndex translates x.?field and x[?key].
func (t *translator) optionalIndex(e, operand, key ast.Expr, s *scope) value {
	name, named := constant(key)
	if t.isVariable(operand, s) {
		switch {
		case t.expression.variable == User:
			return t.refuse(e, "a field of the user is never absent: use user.%s", name)
		case !named:
			return t.refuse(e, "claims can only be asked for a name that is a literal")
		}
		plain, ok := unescape(name)
		if !ok {
			return value{term: "[]", kind: optionalOf(jsonEscaped), literal: true}
		}
		t.claims[plain] = true
		return value{term: t.lib("optional", "claims", Quote(plain)), kind: optionalOf(jsonEscaped)}
	}
	v := t.bound(t.value(operand, s), "from")
	of := v.kind
	if v.kind.types == optional {
		of = v.kind.element
	}
	if of == nil {
		of = scalar(0)
	}
	var k value
	if named {
		k = value{term: Quote(t.key(e, name, of))}
	} else {
		k = t.plainKey(e, t.value(key, s), of.escapes != verbatim)
		v.body = append(slices.Clone(v.body), k.body...)
	}
	switch {
	case v.kind.types == optional:
		return t.optionalIn(e, v, k.term)
	case v.kind.types&optional != 0:
		return t.refuse(e, "whether this is optional cannot be told")
	case v.kind.types&typeName != 0:
		return t.refuse(e, "a type has no members")
	}
	return value{body: v.body, term: t.lib("optional", v.term, k.term), kind: optionalOf(held(v.kind))}
}

// held is the kind of what a list or an object holds.
func held(k *kind) *kind {
	if k.element == nil {
		return scalar(0)
	}
	return k.element
}

// optionalIn is what the value in an optional holds at a key; an empty optional
// stays one.
func (t *translator) optionalIn(e ast.Expr, v value, key string) value {
	of := held(v.kind)
	if of.types&optional != 0 {
		return t.refuse(e, "whether this is optional cannot be told")
	}
	return value{body: v.body, term: t.lib("optional_in", v.term, key), kind: optionalOf(held(of))}
}

// unwrapped is the kind of what an optional holds, once it is taken out: whether
// names in it are given in their escaped form depends on how CEL got there.
func unwrapped(k *kind) *kind {
	if of := held(k); of != jsonEscaped {
		return of
	}
	return jsonMixed
}

// anOptional is the value of an expression that has to be an optional.
func (t *translator) anOptional(e ast.Expr, s *scope) value {
	v := t.value(e, s)
	switch v.kind.types {
	case optional:
		return v
	case 0:
		return value{body: v.body, term: "[]", kind: optionalOf(scalar(0)), literal: true}
	}
	return t.refuse(e, "whether this is optional cannot be told")
}

func (t *translator) hasValue(_ ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.anOptional(args[0], s)
	return t.term(value{body: v.body, term: "count(" + v.term + ") == 1", kind: aBoolean})
}

func (t *translator) optionalValue(_ ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.anOptional(args[0], s)
	v.literal = v.literal && v.term != "[]"
	v = t.bound(v, "maybe")
	return value{body: v.body, term: t.lib("value", v.term), kind: unwrapped(v.kind)}
}

func (t *translator) optionalOf(_ ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.bound(t.value(args[0], s), "some_value")
	return value{body: v.body, term: "[" + v.term + "]", kind: optionalOf(v.kind), literal: v.literal}
}

func (t *translator) optionalNone(ast.Expr, string, []ast.Expr, *scope) value {
	return value{term: "[]", kind: optionalOf(scalar(0)), literal: true}
}

func (t *translator) optionalNonZero(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.value(args[0], s)
	// What is selected from the claims is never a zero value unless it is a scalar.
	if v.kind.types&(optional|typeName) != 0 || v.kind.types&(list|object) != 0 && v.kind != jsonEscaped {
		return t.refuse(e, "whether this is a zero value cannot be told")
	}
	return value{body: v.body, term: t.lib("optional_of_non_zero", v.term), kind: optionalOf(v.kind)}
}

// orValue are the clauses of x.orValue(y), of which y is looked at only when x has
// no value.
func (t *translator) orValue(call ast.CallExpr, s *scope) []clause {
	v := t.anOptional(call.Target(), s)
	v.literal = v.literal && v.term != "[]"
	instead := t.value(call.Args()[0], s)
	if len(instead.body) == 0 && instead.literal {
		return []clause{{body: v.body, term: t.lib("or_value", v.term, instead.term), kind: join(unwrapped(v.kind), instead.kind)}}
	}
	v = t.bound(v, "maybe")
	some := clause{body: append(slices.Clone(v.body), "count("+v.term+") == 1"), term: t.lib("value", v.term), kind: unwrapped(v.kind)}
	return append([]clause{some}, t.following(append(slices.Clone(v.body), "count("+v.term+") == 0"), call.Args()[0], s)...)
}

// or are the clauses of x.or(y), likewise.
func (t *translator) or(call ast.CallExpr, s *scope) []clause {
	v := t.anOptional(call.Target(), s)
	v.literal = v.literal && v.term != "[]"
	v = t.bound(v, "maybe")
	some := clause{body: append(slices.Clone(v.body), "count("+v.term+") == 1"), term: v.term, kind: v.kind}
	return append([]clause{some}, t.following(append(slices.Clone(v.body), "count("+v.term+") == 0"), call.Args()[0], s)...)
}
