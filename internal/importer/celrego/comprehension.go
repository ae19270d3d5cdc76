package celrego

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// iterating is how a macro goes over its range.
type iterating struct {
	scope *scope
	names string // the variables in Rego, "x" or "i, x"
}

// used are the variables, "_" for one that neither the body nor the term reads.
func (i iterating) used(body []string, term string) string {
	names := strings.Split(i.names, ", ")
	for n, name := range names {
		word := regexp.MustCompile(`\b` + name + `\b`)
		if !word.MatchString(term) && !slices.ContainsFunc(body, word.MatchString) {
			names[n] = "_"
		}
	}
	return strings.Join(names, ", ")
}

// iteration returns what a macro iterates over, and the scope of its variables.
func (t *translator) iteration(c ast.ComprehensionExpr, s *scope) (value, iterating) {
	e := c.IterRange()
	if t.isVariable(e, s) {
		return t.refuse(e, "%s cannot be iterated over: select from it", t.expression.variable), iterating{scope: s, names: "value"}
	}
	elements := t.value(e, s)
	if elements.kind.types.ambiguous() && elements.kind.types&optional != 0 {
		t.refuse(e, "whether this is optional cannot be told")
	}
	of := elements.kind
	first := t.iterator(e, c.IterVar())
	if c.HasIterVar2() {
		second := t.iterator(e, c.IterVar2())
		switch of.types & (list | object) {
		case 0:
			elements = never(elements.body)
		default:
			elements = t.bound(elements, "collection")
			if of.types&^(list|object) != 0 {
				elements.term, elements.literal = t.lib("collection", elements.term), false
			}
		}
		keys := scalar(0)
		if of.types&list != 0 {
			keys = join(keys, scalar(integer))
		}
		if of.types&object != 0 {
			keys = join(keys, scalar(text))
		}
		inner := &scope{around: s, name: c.IterVar(), term: first, kind: keys}
		held := of.iterated()
		if of.types&object != 0 && held.recursive() {
			held = jsonMixed
		}
		return t.bound(elements, "elements"), iterating{&scope{around: inner, name: c.IterVar2(), term: second, kind: held}, first + ", " + second}
	}
	var element *kind
	switch of.types & (list | object) {
	case 0:
		elements = never(elements.body)
		element = scalar(0)
	case list:
		elements, element = t.only(e, elements, list), of.iterated()
	case object:
		elements, element = t.only(e, elements, object), scalar(text)
		elements.term, elements.literal = "object.keys("+elements.term+")", false
	default:
		// The keys of an object are among what the elements of a list can be.
		elements.term, elements.literal = t.lib("elements", elements.term), false
		element = join(of.iterated(), scalar(text))
		if of.iterated().recursive() {
			element = jsonVerbatim
		}
	}
	elements.kind = listOf(element)
	return t.bound(elements, "elements"), iterating{&scope{around: s, name: c.IterVar(), term: first, kind: element}, first}
}

// iterator is the variable of the macro that goes over e, always the same one, since
// rules for parts of the macro are written once.
func (t *translator) iterator(e ast.Expr, name string) string {
	key := made{e.ID(), "variable " + name}
	if _, ok := t.made[key]; !ok {
		t.made[key] = t.variable(name)
	}
	return t.made[key]
}

// comprehension translates what a macro expands to.
func (t *translator) comprehension(e ast.Expr, c ast.ComprehensionExpr, s *scope) value {
	if _, predicate := quantifier(c); predicate != nil {
		return t.shared(e, s)
	}
	if c.IterRange().Kind() == ast.ListKind && c.IterRange().AsList().Size() == 0 && c.LoopCondition().Kind() == ast.LiteralKind {
		return t.binding(c, s)
	}
	step := c.LoopStep()
	if step.Kind() != ast.CallKind {
		return t.refuse(e, "this macro has no counterpart in Rego")
	}
	call := step.AsCall()
	switch {
	case c.AccuInit().Kind() == ast.LiteralKind && call.FunctionName() == operators.Conditional:
		return t.existsOne(c, call.Args()[0], s)
	case c.AccuInit().Kind() == ast.ListKind && call.FunctionName() == operators.Add:
		return t.transform(e, c, nil, call.Args()[1].AsList().Elements()[0], s)
	case c.AccuInit().Kind() == ast.ListKind && call.FunctionName() == operators.Conditional:
		return t.transform(e, c, call.Args()[0], call.Args()[1].AsCall().Args()[1].AsList().Elements()[0], s)
	}
	return t.refuse(e, "this macro has no counterpart in Rego")
}

// binding is what optMap, optFlatMap and sortBy expand to: a variable for a value.
func (t *translator) binding(c ast.ComprehensionExpr, s *scope) value {
	v := t.value(c.AccuInit(), s)
	name := t.iterator(c.AccuInit(), strings.Trim(c.AccuVar(), "@_"))
	result := t.value(c.Result(), &scope{around: s, name: c.AccuVar(), term: name, kind: v.kind})
	result.body = slices.Concat(v.body, []string{name + " := " + v.term}, result.body)
	// The variable has to be read for rules to be clean.
	if !slices.ContainsFunc(append(slices.Clone(result.body[len(v.body)+1:]), result.term), func(line string) bool { return strings.Contains(line, name) }) {
		result.body = append(result.body, t.lib("defined", name))
	}
	return result
}

// existsOne is true when the predicate is true of exactly one element, and it is an
// error when the predicate is one of any.
func (t *translator) existsOne(c ast.ComprehensionExpr, predicate ast.Expr, s *scope) value {
	elements, inner := t.iteration(c, s)
	p := t.value(predicate, inner.scope)
	p = t.only(predicate, p, boolean)
	results := t.variable("results")
	body := append(slices.Clone(elements.body),
		results+" := "+t.comprehended(elements, inner, p.body, p.term),
		"count("+results+") == count("+elements.term+")",
	)
	return t.term(value{body: body, term: "count([true | some result in " + results + "; result]) == 1", kind: scalar(boolean)})
}

// comprehended is the array of a term for each element.
func (t *translator) comprehended(elements value, inner iterating, body []string, term string) string {
	if slices.Contains(body, "false") {
		body, term = []string{"false"}, "cel.never"
	}
	lines := append([]string{"some " + inner.used(body, term) + " in " + elements.term}, body...)
	return "[" + term + " |\n\t" + strings.Join(lines, "\n\t") + "\n]"
}

// transform is what map, filter and transformList expand to. The results are fewer
// than the elements when one of them is an error.
func (t *translator) transform(e ast.Expr, c ast.ComprehensionExpr, predicate, term ast.Expr, s *scope) value {
	elements, inner := t.iteration(c, s)
	results := t.variable("results")
	if predicate == nil {
		v := t.value(term, inner.scope)
		body := append(slices.Clone(elements.body),
			results+" := "+t.comprehended(elements, inner, v.body, v.term),
			"count("+results+") == count("+elements.term+")",
		)
		return value{body: body, term: results, kind: listOf(v.kind), literal: true}
	}
	// Each gives a list of one, or an empty one.
	var of *kind
	call := t.helper(e, &scope{around: inner.scope, name: "@unused"}, "each", func() []clause {
		kept := t.following(t.single(predicate, inner.scope, true), term, inner.scope)
		for i, k := range kept {
			of = join(of, k.kind)
			kept[i].term = "[" + k.term + "]"
		}
		return append(kept, clause{body: t.single(predicate, inner.scope, false), term: "[]"})
	})
	key := made{e.ID(), "each"}
	if of != nil {
		t.kinds[key] = of
	} else if of = t.kinds[key]; of == nil {
		of = scalar(0)
	}
	body := append(slices.Clone(elements.body),
		results+" := "+t.comprehended(elements, inner, nil, call),
		"count("+results+") == count("+elements.term+")",
	)
	return value{body: body, term: t.lib("joined", results), kind: listOf(of)}
}
