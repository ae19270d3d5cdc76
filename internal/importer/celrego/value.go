package celrego

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// clauses returns the ways to the value of the expression.
func (t *translator) clauses(e ast.Expr, s *scope) []clause {
	if e.Kind() == ast.CallKind {
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Conditional:
			return slices.Concat(
				t.following(t.single(call.Args()[0], s, true), call.Args()[1], s),
				t.following(t.single(call.Args()[0], s, false), call.Args()[2], s),
			)
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
			return t.truths(e, s)
		case "orValue":
			if clauses := t.orValue(call, s); clauses != nil {
				return clauses
			}
		case "or":
			if clauses := t.or(call, s); clauses != nil {
				return clauses
			}
		}
	}
	if e.Kind() == ast.ComprehensionKind {
		if _, predicate := quantifier(e.AsComprehension()); predicate != nil {
			return t.truths(e, s)
		}
	}
	v := t.value(e, s)
	return []clause{{body: v.body, term: v.term, kind: v.kind, literal: v.literal}}
}

// following are the clauses of an expression, each after a body.
func (t *translator) following(body []string, e ast.Expr, s *scope) []clause {
	clauses := t.clauses(e, s)
	for i, c := range clauses {
		clauses[i].body = append(slices.Clone(body), c.body...)
	}
	return clauses
}

// truths are the clauses of an expression that is true or false.
func (t *translator) truths(e ast.Expr, s *scope) []clause {
	var clauses []clause
	for _, want := range []bool{true, false} {
		for _, body := range t.cond(e, s, want) {
			clauses = append(clauses, clause{body: body, term: strconv.FormatBool(want), kind: scalar(boolean), literal: true})
		}
	}
	return clauses
}

// value translates an expression to one term.
func (t *translator) value(e ast.Expr, s *scope) value {
	switch e.Kind() {
	case ast.LiteralKind:
		return t.literal(e)
	case ast.IdentKind:
		return t.identifier(e, s)
	case ast.SelectKind:
		return t.selection(e, e.AsSelect(), s)
	case ast.ListKind:
		return t.list(e.AsList(), s)
	case ast.MapKind:
		return t.mapping(e.AsMap(), s)
	case ast.CallKind:
		return t.call(e, e.AsCall(), s)
	case ast.ComprehensionKind:
		return t.comprehension(e, e.AsComprehension(), s)
	default:
		return t.refuse(e, "a message of Protocol Buffers has no counterpart in Rego")
	}
}

// shared makes a rule of an expression whose value has several clauses.
func (t *translator) shared(e ast.Expr, s *scope) value {
	var of *kind
	call := t.helper(e, s, "value", func() []clause {
		clauses := t.clauses(e, s)
		for _, c := range clauses {
			of = join(of, c.kind)
		}
		return clauses
	})
	key := made{e.ID(), "value"}
	if of != nil {
		t.kinds[key] = of
	} else if of = t.kinds[key]; of == nil {
		of = scalar(0)
	}
	return value{term: call, kind: of}
}

// exactDecimal is what a double and a decimal of Rego agree on: at most 15 digits.
var exactDecimal = regexp.MustCompile(`^-?[0-9]{1,9}\.[0-9]{1,6}$`)

func (t *translator) literal(e ast.Expr) value {
	switch v := e.AsLiteral().(type) {
	case types.String:
		return value{term: Quote(string(v)), kind: scalar(text), literal: true}
	case types.Bool:
		return value{term: strconv.FormatBool(bool(v)), kind: scalar(boolean), literal: true}
	case types.Int:
		return value{term: strconv.FormatInt(int64(v), 10), kind: scalar(integer), literal: true}
	case types.Null:
		return value{term: "null", kind: scalar(null), literal: true}
	case types.Double:
		f := float64(v)
		if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
			return value{term: strconv.FormatInt(int64(f), 10), kind: scalar(double), literal: true}
		}
		written, err := json.Marshal(f)
		if err == nil && exactDecimal.Match(written) {
			return value{term: string(written), kind: scalar(double), literal: true}
		}
		return t.refuse(e, "the number has too many digits to be the same in Rego")
	default:
		return t.refuse(e, "a value of the type %s has no counterpart in Rego", v.Type().TypeName())
	}
}

// typeNames are the types whose names can be compared with those of values.
var typeNames = map[string]typeSet{
	"null_type": null, "bool": boolean, "int": integer, "double": double, "string": text, "list": list, "map": object,
	"uint": 0, "bytes": 0, "type": 0,
}

func (t *translator) identifier(e ast.Expr, s *scope) value {
	name := e.AsIdent()
	if bound := s.find(name); bound != nil {
		return value{term: bound.term, kind: bound.kind, literal: true}
	}
	if _, ok := typeNames[name]; ok {
		return value{term: Quote(name), kind: scalar(typeName), literal: true}
	}
	if t.isVariable(e, s) {
		return t.refuse(e, "%s can be used only to select from it, as in %s.%s", name, name, map[string]string{"claims": "sub", "user": "username"}[name])
	}
	return t.refuse(e, "%s has no counterpart in Rego", name)
}

// isVariable reports whether the expression is claims or user themselves.
func (t *translator) isVariable(e ast.Expr, s *scope) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == string(t.expression.variable) && s.find(e.AsIdent()) == nil
}

func (t *translator) selection(e ast.Expr, selected ast.SelectExpr, s *scope) value {
	name := selected.FieldName()
	if t.isVariable(selected.Operand(), s) {
		return t.ofVariable(selected.IsTestOnly(), name)
	}
	v := t.value(selected.Operand(), s)
	if v.kind.types&optional != 0 {
		if v.kind.types != optional {
			return t.refuse(e, "whether this is optional cannot be told")
		}
		if selected.IsTestOnly() {
			return t.refuse(e, "has() of an optional has no counterpart: use hasValue()")
		}
		return t.optionalIn(e, v, Quote(t.key(e, name, held(v.kind))))
	}
	key := t.key(e, name, v.kind)
	if selected.IsTestOnly() && v.kind.types&typeName == 0 {
		return value{body: v.body, term: t.lib("has", v.term, Quote(key)), kind: scalar(boolean)}
	}
	if v.kind.types&object == 0 {
		return never(v.body)
	}
	return t.member(v, key)
}

// member is what an object holds at a key.
func (t *translator) member(v value, key string) value {
	// The compiler knows the types of literals, and refuses what CEL calls an error.
	if !v.kind.recursive() && t.expression.variable == Claims {
		return value{body: v.body, term: t.lib("at", v.term, Quote(key)), kind: held(v.kind)}
	}
	if !isReference(v.term) {
		v.literal = false
		v = t.bound(v, "from")
	}
	return value{body: v.body, term: Member(v.term, key), kind: held(v.kind)}
}

// key is the name that a key has in the object.
func (t *translator) key(e ast.Expr, name string, in *kind) string {
	plain, ok := unescape(name)
	switch {
	case plain == name && ok || in.escapes == verbatim || in.types&object == 0:
		return name
	case in.escapes == mixed:
		t.refuse(e, "whether the key %q is in its escaped form cannot be told", name)
		return name
	case !ok:
		return name
	}
	return plain
}

// ofVariable is what claims or user hold at a name, or whether they do.
func (t *translator) ofVariable(test bool, name string) value {
	plain, ok := unescape(name)
	if t.expression.variable == User {
		// No field of a user is ever absent.
		if test {
			return value{term: "true", kind: scalar(boolean), literal: true}
		}
		return value{term: Member("user", plain), kind: userFields[plain].kind}
	}
	if !ok {
		if test {
			return value{term: "false", kind: scalar(boolean), literal: true}
		}
		return never(nil)
	}
	t.claims[plain] = true
	if test {
		return value{term: t.lib("has", "claims", Quote(plain)), kind: scalar(boolean)}
	}
	return value{term: Member("claims", plain), kind: jsonEscaped}
}

func (t *translator) list(l ast.ListExpr, s *scope) value {
	out := value{kind: &kind{types: list, filled: l.Size() > 0}, literal: true}
	optionals := map[int32]bool{}
	for _, i := range l.OptionalIndices() {
		optionals[i] = true
	}
	var terms []string
	for i, element := range l.Elements() {
		if optionals[int32(i)] {
			return t.refuse(element, "an optional element has no counterpart in Rego")
		}
		v := t.bound(t.value(element, s), "element")
		out.body = append(out.body, v.body...)
		out.kind.element = join(out.kind.element, v.kind)
		out.literal = out.literal && v.literal
		terms = append(terms, v.term)
	}
	out.term = "[" + strings.Join(terms, ", ") + "]"
	return out
}

func (t *translator) mapping(m ast.MapExpr, s *scope) value {
	out := value{kind: &kind{types: object, keys: text}, literal: true}
	seen := map[string]bool{}
	var terms []string
	for _, entry := range m.Entries() {
		member := entry.AsMapEntry()
		key := t.value(member.Key(), s)
		switch {
		case member.IsOptional():
			return t.refuse(member.Value(), "an optional entry has no counterpart in Rego")
		case key.kind.types != text || !key.literal || key.term[0] != '"' || seen[key.term]:
			return t.refuse(member.Key(), "a map can only be translated when its keys are different string literals")
		}
		seen[key.term] = true
		v := t.bound(t.value(member.Value(), s), "member")
		out.body = append(out.body, v.body...)
		out.kind.element = join(out.kind.element, v.kind)
		out.literal = out.literal && v.literal
		terms = append(terms, key.term+": "+v.term)
	}
	out.term = "{" + strings.Join(terms, ", ") + "}"
	return out
}

// argument is the value of an expression that an operator or function takes. What
// CEL knows its type to be has to be known here, too.
func (t *translator) argument(e ast.Expr, s *scope) value {
	v := t.value(e, s)
	known, ok := map[types.Kind]typeSet{
		types.BoolKind: boolean, types.IntKind: integer, types.DoubleKind: double, types.StringKind: text,
		types.ListKind: list, types.MapKind: object, types.NullTypeKind: null, types.TypeKind: typeName,
	}[t.expression.ast.GetType(e.ID()).Kind()]
	if !ok || v.kind.types&^known == 0 {
		return v
	}
	// The checker infers what an index takes out of an optional from what stands next
	// to it, and cel-go holds only some functions to that.
	return t.refuse(e, "the type of what is taken out of an optional cannot be told: test it with ?. and [?…], and convert it")
}

// only leaves the value defined when it is of one of the types.
func (t *translator) only(e ast.Expr, v value, wanted typeSet) value {
	if v.kind.types&^wanted == 0 && v.kind.types != 0 {
		return v
	}
	if v.kind.types&wanted == 0 {
		return never(v.body)
	}
	if others := v.kind.types &^ wanted; (v.kind.types &^ number).ambiguous() || others&number != 0 && wanted&number != 0 {
		return t.refuse(e, "which of the types that are one in Rego the value has cannot be told")
	}
	v = t.bound(v, "value")
	for _, test := range []struct {
		types typeSet
		name  string
	}{{text, "is_string"}, {number, "is_number"}, {boolean, "is_boolean"}, {list, "is_array"}, {object, "is_object"}, {null, "is_null"}} {
		if wanted&test.types != 0 {
			v.body = append(slices.Clip(v.body), test.name+"("+v.term+")")
			break
		}
	}
	narrowed := *v.kind
	narrowed.types &= wanted
	if narrowed.types&(list|object) == 0 {
		narrowed.element = nil
	}
	v.kind = &narrowed
	return v
}
