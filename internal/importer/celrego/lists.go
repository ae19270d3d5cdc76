package celrego

import (
	"slices"

	"github.com/google/cel-go/common/ast"
)

// aList is a list, of which the elements can be compared.
func (t *translator) aList(e ast.Expr, s *scope) value {
	v := t.only(e, t.bound(t.argument(e, s), "elements"), list)
	if v.kind.element != nil && v.kind.element.holdsAmbiguous() {
		return t.refuse(e, "values of types that are one in Rego are compared")
	}
	return v
}

// indexOf is of strings or of lists.
func (t *translator) indexOf(e ast.Expr, name string, args []ast.Expr, s *scope) value {
	values := t.values(args, s)
	switch subject := values[0].kind.types & (text | list); {
	case subject == list && len(values) == 2:
		v := t.aList(args[0], s)
		if !comparableKinds(held(v.kind), values[1].kind) {
			return t.refuse(e, "values of types that are one in Rego are compared")
		}
		sought := t.defined(values[1])
		function := map[string]string{"indexOf": "index_in", "lastIndexOf": "last_index_in"}[name]
		return value{body: append(slices.Clone(v.body), sought.body...), term: t.lib(function, v.term, sought.term), kind: aNumber}
	case subject == text || len(values) == 3 || values[1].kind.types == text && subject&text != 0 && subject&list == 0:
		for _, known := range signatures[name] {
			if len(known.arguments) == len(values) {
				return t.apply(e, known, values, args)
			}
		}
	case subject == 0:
		return never(nil)
	}
	// A string or a list, which is told apart when it is evaluated.
	sought := t.defined(values[1])
	if !comparableKinds(held(values[0].kind), sought.kind) {
		return t.refuse(e, "values of types that are one in Rego are compared")
	}
	function := map[string]string{"indexOf": "index_of_either", "lastIndexOf": "last_index_of_either"}[name]
	return value{body: append(slices.Clone(values[0].body), sought.body...), term: t.lib(function, values[0].term, sought.term), kind: aNumber}
}

// anOrdered is a list whose elements are put in order: CEL takes them of one type only.
func (t *translator) anOrdered(e ast.Expr, s *scope) value {
	v := t.aList(e, s)
	if held(v.kind).types.ambiguous() {
		return t.refuse(e, "whether the elements are of one type of CEL cannot be told")
	}
	return v
}

// ofList are the functions of a list that give a list of the same elements.
func (t *translator) ofList(_ ast.Expr, name string, args []ast.Expr, s *scope) value {
	elements := t.aList
	if name == "sort" {
		elements = t.anOrdered
	}
	v := elements(args[0], s)
	term := "array.reverse(" + v.term + ")"
	if name != "reverse" {
		term = t.lib(map[string]string{"distinct": "distinct", "sort": "sorted"}[name], v.term)
	}
	of := &kind{types: list, element: v.kind.element, filled: v.kind.filled}
	if name != "reverse" && v.kind.native != notNative && !v.kind.filled {
		of.native = perhapsNative // an empty list is given back as it is
	}
	return value{body: v.body, term: term, kind: of}
}

func (t *translator) slice(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.aList(args[0], s)
	from, to := t.only(e, t.bound(t.argument(args[1], s), "from"), integer), t.only(e, t.bound(t.argument(args[2], s), "to"), integer)
	return value{body: slices.Concat(v.body, from.body, to.body), term: t.lib("slice", v.term, from.term, to.term), kind: &kind{types: list, element: v.kind.element}}
}

func (t *translator) firstOrLast(_ ast.Expr, name string, args []ast.Expr, s *scope) value {
	v := t.aList(args[0], s)
	return value{body: v.body, term: t.lib(name, v.term), kind: optionalOf(held(v.kind))}
}

func (t *translator) flatten(e ast.Expr, _ string, args []ast.Expr, s *scope) value {
	if len(args) > 1 {
		return t.refuse(e, "flatten() with a depth has no counterpart in Rego")
	}
	v := t.aList(args[0], s)
	of := held(v.kind)
	if of.types&list != 0 && of.element != nil {
		of = join(of, of.element)
	}
	return value{body: v.body, term: t.lib("flatten", v.term), kind: listOf(of)}
}

func (t *translator) ofElements(_ ast.Expr, name string, args []ast.Expr, s *scope) value {
	v := t.anOrdered(args[0], s)
	return value{body: v.body, term: t.lib(map[string]string{"min": "smallest", "max": "largest"}[name], v.term), kind: held(v.kind)}
}

func (t *translator) isSorted(_ ast.Expr, _ string, args []ast.Expr, s *scope) value {
	v := t.anOrdered(args[0], s)
	return value{body: v.body, term: t.lib("is_sorted", v.term), kind: aBoolean}
}

// includes is true when the second is in the first; a list looks for each of a list.
func (t *translator) includes(e ast.Expr, _ string, _ []ast.Expr, _ *scope) value {
	return t.refuse(e, "includes() has no counterpart in Rego")
}
