package celrego

import (
	"strings"

	"github.com/google/cel-go/common/ast"
)

// signature is a function of CEL as one of Rego: what its arguments have to be, and
// what it gives.
type signature struct {
	arguments []typeSet
	// rego is the function; those of data.lib.cel check the range of their
	// arguments, and have the prefix "cel.".
	rego      string
	result    *kind
	predicate bool
}

var (
	aText    = scalar(text)
	aNumber  = scalar(integer)
	aBoolean = scalar(boolean)

	nativeTexts = &kind{types: list, element: aText, native: isNative}
)

// signatures are the functions whose arguments have one type each. Several are told
// apart by the number of arguments and then by their types.
var signatures = map[string][]signature{
	"startsWith":  {{[]typeSet{text, text}, "startswith", aBoolean, true}},
	"endsWith":    {{[]typeSet{text, text}, "endswith", aBoolean, true}},
	"contains":    {{[]typeSet{text, text}, "contains", aBoolean, true}},
	"matches":     {{[]typeSet{text, text}, "cel.matches", aBoolean, false}},
	"find":        {{[]typeSet{text, text}, "cel.find", aText, false}},
	"findAll":     {{[]typeSet{text, text}, "cel.find_all", nativeTexts, false}, {[]typeSet{text, text, integer}, "cel.find_some", nativeTexts, false}},
	"lowerAscii":  {{[]typeSet{text}, "cel.lower_ascii", aText, false}},
	"upperAscii":  {{[]typeSet{text}, "cel.upper_ascii", aText, false}},
	"trim":        {{[]typeSet{text}, "trim_space", aText, false}},
	"charAt":      {{[]typeSet{text, integer}, "cel.char_at", aText, false}},
	"split":       {{[]typeSet{text, text}, "split", nativeTexts, false}, {[]typeSet{text, text, integer}, "cel.split_some", nativeTexts, false}},
	"replace":     {{[]typeSet{text, text, text}, "cel.replaced", aText, false}, {[]typeSet{text, text, text, integer}, "cel.replace_some", aText, false}},
	"substring":   {{[]typeSet{text, integer}, "cel.substring_from", aText, false}, {[]typeSet{text, integer, integer}, "cel.between", aText, false}},
	"indexOf":     {{[]typeSet{text, text}, "cel.index_of", aNumber, false}, {[]typeSet{text, text, integer}, "cel.index_of_from", aNumber, false}},
	"lastIndexOf": {{[]typeSet{text, text}, "cel.last_index_of", aNumber, false}, {[]typeSet{text, text, integer}, "cel.last_index_of_from", aNumber, false}},
	"join":        {{[]typeSet{list}, "cel.join", aText, false}, {[]typeSet{list, text}, "cel.join_with", aText, false}},

	"sets.contains":   {{[]typeSet{list, list}, "cel.set_contains", aBoolean, false}},
	"sets.equivalent": {{[]typeSet{list, list}, "cel.set_equivalent", aBoolean, false}},
	"sets.intersects": {{[]typeSet{list, list}, "cel.set_intersects", aBoolean, false}},

	"lists.range": {{[]typeSet{integer}, "cel.range", listOf(aNumber), false}},
}

// function translates a call of a function that is no operator.
func (t *translator) function(e ast.Expr, name string, args []ast.Expr, s *scope) value {
	if translate, ok := special[name]; ok {
		return translate(t, e, name, args, s)
	}
	values := t.values(args, s)
	for _, known := range signatures[name] {
		if len(known.arguments) == len(values) {
			return t.apply(e, known, values, args)
		}
	}
	return t.refuse(e, "%s() has no counterpart in Rego", name)
}

func (t *translator) values(args []ast.Expr, s *scope) []value {
	var values []value
	for _, arg := range args {
		values = append(values, t.bound(t.argument(arg, s), "argument"))
	}
	return values
}

// apply calls a function once its arguments are of the types that it takes.
func (t *translator) apply(e ast.Expr, known signature, values []value, args []ast.Expr) value {
	out := value{kind: known.result, predicate: known.predicate}
	if separator, ok := constant(args[len(args)-1]); known.rego == "split" && ok && separator != "" {
		filled := *nativeTexts
		filled.filled = true
		out.kind = &filled
	}
	var terms []string
	for i, v := range values {
		v = t.only(e, v, known.arguments[i])
		if v.kind.types&list != 0 && v.kind.element != nil && v.kind.element.holdsAmbiguous() {
			return t.refuse(args[i], "values of types that are one in Rego are compared")
		}
		out.body = append(out.body, v.body...)
		terms = append(terms, v.term)
	}
	if name, library := cutPrefix(known.rego); library {
		out.term = t.lib(name, terms...)
	} else {
		out.term = known.rego + "(" + strings.Join(terms, ", ") + ")"
	}
	return out
}

// special are the functions that need more than a signature.
var special map[string]func(t *translator, e ast.Expr, name string, args []ast.Expr, s *scope) value

func init() { //nolint:gochecknoinits // the functions refer to the map
	special = map[string]func(t *translator, e ast.Expr, name string, args []ast.Expr, s *scope) value{
		"size": (*translator).size, "string": (*translator).toText, "int": (*translator).toInteger,
		"double": (*translator).toDouble, "bool": (*translator).toBoolean, "type": (*translator).typeOf,
		"dyn": func(t *translator, _ ast.Expr, _ string, args []ast.Expr, s *scope) value {
			return t.value(args[0], s)
		},
		"hasValue": (*translator).hasValue, "value": (*translator).optionalValue, "optional.of": (*translator).optionalOf,
		"optional.none": (*translator).optionalNone, "optional.ofNonZeroValue": (*translator).optionalNonZero,
		"indexOf": (*translator).indexOf, "lastIndexOf": (*translator).indexOf, "distinct": (*translator).ofList,
		"reverse": (*translator).ofList, "sort": (*translator).ofList, "slice": (*translator).slice, "first": (*translator).firstOrLast,
		"last": (*translator).firstOrLast, "flatten": (*translator).flatten, "min": (*translator).ofElements, "max": (*translator).ofElements,
		"isSorted": (*translator).isSorted, "includes": (*translator).includes,
	}
}

// size is the number of characters, elements or entries.
func (t *translator) size(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	if t.isVariable(args[0], s) {
		return t.refuse(e, "%s has no size", t.expression.variable)
	}
	v := t.argument(args[0], s)
	sized := v.kind.types & (text | list | object)
	switch {
	case v.kind.types&(typeName|optional) != 0:
		return t.refuse(e, "whether this has a size cannot be told")
	case sized == 0:
		return never(v.body)
	case v.kind.types == sized:
		return value{body: v.body, term: "count(" + v.term + ")", kind: aNumber}
	}
	return value{body: v.body, term: t.lib("size", v.term), kind: aNumber}
}

// toText is string(x): of a number that is an integer of CEL the digits, of a
// double Go's shortest form.
func (t *translator) toText(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.argument(args[0], s)
	switch {
	case v.kind.types == text:
		return v
	case v.kind.types == integer:
		return value{body: v.body, term: "format_int(" + v.term + ", 10)", kind: aText}
	case v.kind.types.ambiguous() || v.kind.types&typeName != 0:
		return t.refuse(e, "which type is turned into a string cannot be told")
	case v.kind.types&(text|boolean|number) == 0:
		return never(v.body)
	}
	return value{body: v.body, term: t.lib("string", v.term), kind: aText}
}

func (t *translator) toInteger(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	return t.conversion(e, args[0], s, "int", integer, number|text)
}

func (t *translator) toDouble(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	return t.conversion(e, args[0], s, "double", double, number|text)
}

func (t *translator) toBoolean(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	return t.conversion(e, args[0], s, "bool", boolean, boolean|text)
}

// conversion turns a value into another type by a function of the library, which
// takes what it can and is undefined for the rest.
func (t *translator) conversion(e, arg ast.Expr, s *scope, function string, to, from typeSet) value {
	v := t.argument(arg, s)
	switch {
	case v.kind.types == to:
		return v
	case v.kind.types&typeName != 0 && from&text != 0, v.kind.types&number == number:
		return t.refuse(e, "which type is converted cannot be told")
	case v.kind.types&from == 0:
		return never(v.body)
	}
	return value{body: v.body, term: t.lib(function, v.term), kind: scalar(to)}
}

// typeOf is type(x), which can be compared with the name of a type.
func (t *translator) typeOf(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	if t.isVariable(args[0], s) {
		return t.refuse(e, "the type of %s has no counterpart in Rego", t.expression.variable)
	}
	v := t.value(args[0], s)
	if v.kind.types&(optional|typeName) != 0 || v.kind.types&number == number {
		return t.refuse(e, "the type of this cannot be told")
	}
	v = t.defined(v)
	for name, of := range typeNames {
		if of != 0 && v.kind.types == of {
			return value{body: v.body, term: Quote(name), kind: scalar(typeName), literal: true}
		}
	}
	if v.kind.types&integer != 0 {
		return t.refuse(e, "the type of this cannot be told")
	}
	return value{body: v.body, term: t.lib("type", v.term), kind: scalar(typeName)}
}

func cutPrefix(name string) (string, bool) {
	const prefix = "cel."
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		return name[len(prefix):], true
	}
	return name, false
}
