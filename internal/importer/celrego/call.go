package celrego

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// call translates a call of a function or operator.
func (t *translator) call(e ast.Expr, call ast.CallExpr, s *scope) value {
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, "orValue", "or":
		return t.shared(e, s)
	case operators.Equals, operators.NotEquals:
		return t.term(t.equalityTerm(e, call, s))
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		v, operator := t.comparison(e, call, s)
		return t.term(value{body: v[2].body, term: v[0].term + " " + operator + " " + v[1].term, kind: scalar(boolean)})
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		return t.arithmetic(e, name, t.argument(args[0], s), t.argument(args[1], s))
	case operators.Negate:
		return t.arithmetic(e, operators.Subtract, t.zero(args[0], s), t.argument(args[0], s))
	case operators.In:
		return t.term(t.membership(e, args[0], args[1], s))
	case operators.Index:
		return t.index(e, args[0], args[1], s)
	case operators.OptIndex, operators.OptSelect:
		return t.optionalIndex(e, args[0], args[1], s)
	default:
		if call.IsMemberFunction() {
			args = append([]ast.Expr{call.Target()}, args...)
		}
		return t.function(e, name, args, s)
	}
}

// term gives a comparison a variable, since it is no term by itself.
func (t *translator) term(v value) value {
	v.literal = false
	return t.bound(v, "compared")
}

func (t *translator) equalityTerm(e ast.Expr, call ast.CallExpr, s *scope) value {
	body, statement := t.equality(e, call.Args()[0], call.Args()[1], s, call.FunctionName() == operators.Equals)
	return value{body: body, term: statement, kind: scalar(boolean)}
}

// zero is what a value is subtracted from to negate it.
func (t *translator) zero(e ast.Expr, s *scope) value {
	before := *t
	before.rules, before.made, before.kinds = nil, map[made]string{}, map[made]*kind{}
	if before.argument(e, s).kind.types&integer != 0 {
		return value{term: "0", kind: scalar(integer), literal: true}
	}
	return value{term: "0", kind: scalar(double), literal: true}
}

// arithmetic translates an operator by the types that both sides can have.
func (t *translator) arithmetic(e ast.Expr, operator string, a, b value) value {
	shared := a.kind.types & b.kind.types & map[string]typeSet{
		operators.Add: number | text | list, operators.Subtract: number, operators.Multiply: number,
		operators.Divide: number, operators.Modulo: integer,
	}[operator]
	switch {
	case shared == 0:
		return never(slices.Concat(a.body, b.body))
	case shared&number != 0 && (a.kind.types|b.kind.types)&number == number:
		return t.refuse(e, "whether this is a whole number of CEL or a double cannot be told")
	}
	if shared == text {
		return t.concatenation(e, a, b)
	}
	x, y := t.bound(a, "left"), t.bound(b, "right")
	switch shared {
	case list:
		x, y = t.only(e, x, list), t.only(e, y, list)
		return value{body: append(slices.Clone(x.body), y.body...), term: "array.concat(" + x.term + ", " + y.term + ")", kind: concatenated(x.kind, y.kind)}
	case integer:
		x, y = t.only(e, x, integer), t.only(e, y, integer)
		return value{body: append(slices.Clone(x.body), y.body...), term: t.lib("int_"+arithmeticNames[operator], x.term, y.term), kind: scalar(integer)}
	case double:
		x, y = t.only(e, x, double), t.only(e, y, double)
		return value{body: append(slices.Clone(x.body), y.body...), term: t.lib(arithmeticNames[operator], x.term, y.term), kind: scalar(double)}
	}
	if shared&integer != 0 {
		return t.refuse(e, "whether numbers or something else is added cannot be told")
	}
	return value{
		body: append(slices.Clone(x.body), y.body...), term: t.lib("add", x.term, y.term),
		kind: concatenatedAs(shared, x.kind, y.kind),
	}
}

// concatenated is the kind of two lists, one after the other. One that is empty gives
// the other as it is.
func concatenated(x, y *kind) *kind {
	out := &kind{types: list, element: join(x.element, y.element), filled: x.filled || y.filled}
	if x.native != notNative && !y.filled || y.native != notNative && !x.filled {
		out.native = perhapsNative
	}
	return out
}

func concatenatedAs(types typeSet, x, y *kind) *kind {
	out := concatenated(x, y)
	out.types = types
	return out
}

var arithmeticNames = map[string]string{
	operators.Add: "add", operators.Subtract: "subtract", operators.Multiply: "multiply", operators.Divide: "divide", operators.Modulo: "modulo",
}

// concatenation puts strings together, in one call for many.
func (t *translator) concatenation(e ast.Expr, a, b value) value {
	var parts []string
	var body []string
	for _, v := range []value{a, b} {
		if v.parts == nil {
			v = t.only(e, t.bound(v, "part"), text)
			v.parts = []string{v.term}
		}
		body = append(body, v.body...)
		parts = append(parts, v.parts...)
	}
	return value{body: body, term: `concat("", [` + strings.Join(parts, ", ") + "])", kind: scalar(text), parts: parts}
}

// membership translates x in y.
func (t *translator) membership(e, element, collection ast.Expr, s *scope) value {
	x := t.value(element, s)
	if t.isVariable(collection, s) {
		if name, ok := constant(element); ok && t.expression.variable == Claims {
			return t.ofVariable(true, name)
		}
		return t.refuse(e, "%s can only be searched for a name that is a literal", t.expression.variable)
	}
	y := t.bound(t.value(collection, s), "collection")
	x = t.defined(x)
	body := append(slices.Clone(x.body), y.body...)
	if element := y.kind.element; element != nil && !comparableKinds(x.kind, element) {
		return t.refuse(e, "values of types that are one in Rego are compared")
	}
	switch y.kind.types & (list | object) {
	case 0:
		return never(body)
	case list:
		if neverEqual(x.kind, held(y.kind)) {
			y = t.defined(t.only(e, y, list))
			return value{body: append(slices.Clone(x.body), y.body...), term: "false", kind: scalar(boolean), literal: true}
		}
		x = t.leading(x)
		y = t.only(e, y, list)
		if !y.literal {
			y = t.defined(y)
		}
		return value{body: append(slices.Clone(x.body), y.body...), term: x.term + " in " + y.term, kind: scalar(boolean), predicate: true}
	}
	if y.kind.types.ambiguous() && y.kind.types&optional != 0 {
		return t.refuse(e, "whether this is optional cannot be told")
	}
	return value{body: body, term: t.lib("in_collection", x.term, y.term), kind: scalar(boolean), predicate: false}
}

// constant returns the string that the expression is a literal of.
func constant(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().Value().(string)
	return text, ok
}

// index translates x[key].
func (t *translator) index(e, collection, key ast.Expr, s *scope) value {
	name, named := constant(key)
	if t.isVariable(collection, s) {
		if named {
			return t.ofVariable(false, name)
		}
		k := t.plainKey(e, t.value(key, s), true)
		t.allClaims = true
		return value{body: k.body, term: "claims[" + k.term + "]", kind: jsonEscaped}
	}
	v := t.bound(t.value(collection, s), "from")
	k := t.value(key, s)
	switch {
	case v.kind.types&optional != 0:
		if v.kind.types != optional {
			return t.refuse(e, "whether this is optional cannot be told")
		}
		if named {
			return t.optionalIn(e, v, Quote(t.key(e, name, held(v.kind))))
		}
		k = t.plainKey(e, k, held(v.kind).escapes != verbatim)
		v.body = append(slices.Clone(v.body), k.body...)
		return t.optionalIn(e, v, k.term)
	case v.kind.types&(list|object) == 0:
		return never(v.body)
	case named && v.kind.types&object == 0:
		return never(v.body)
	case named:
		return t.member(v, t.key(e, name, v.kind))
	case key.Kind() == ast.LiteralKind && k.kind.types == integer && v.kind.types&object == 0 && isReference(v.term):
		return value{body: v.body, term: v.term + "[" + k.term + "]", kind: held(v.kind)}
	}
	k = t.plainKey(e, k, v.kind.escapes != verbatim)
	return value{body: append(slices.Clone(v.body), k.body...), term: t.lib("at", v.term, k.term), kind: held(v.kind)}
}

// plainKey is a key that is known only when it is evaluated: it must not be in its
// escaped form where that would be unescaped.
func (t *translator) plainKey(e ast.Expr, k value, unescaped bool) value {
	if k.kind.types&typeName != 0 {
		return t.refuse(e, "a type cannot be a key")
	}
	k = t.bound(k, "key")
	if unescaped && k.kind.types&text != 0 && (!k.literal || k.term[0] != '"') {
		k.body = append(slices.Clip(k.body), t.lib("plain_key", k.term))
	}
	return k
}
