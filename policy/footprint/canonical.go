package footprint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// generated are the names that the compiler gives to variables. Their numbers
// move when other files change.
var generated = regexp.MustCompile(`^__local[0-9]+__$`)

// canonical writes a rule such that rules that differ only in the numbers of
// generated variables, and in locations, are the same text.
func canonical(rule *ast.Rule) string {
	w := &writer{names: map[ast.Var]string{}}
	w.number(rule)
	var b strings.Builder
	w.rule(&b, rule)
	return b.String()
}

type writer struct {
	names map[ast.Var]string
}

// number gives generated variables numbers in the order in which they appear
// first. Those in sets and keys come last, which are sorted by the old ones.
func (w *writer) number(rule *ast.Rule) {
	var sorted []any
	visitor := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Set, ast.Object:
			sorted = append(sorted, x)
			return true
		case ast.Var:
			if _, known := w.names[x]; !known && generated.MatchString(string(x)) {
				w.names[x] = "local " + strconv.Itoa(len(w.names))
			}
		}
		return false
	})
	for branch := rule; branch != nil; branch = branch.Else {
		visitor.Walk(branch.Head.Args)
		visitor.Walk(branch.Head.Ref())
		visitor.Walk(branch.Body)
		for _, term := range []*ast.Term{branch.Head.Key, branch.Head.Value} {
			if term != nil {
				visitor.Walk(term)
			}
		}
	}
	for len(sorted) > 0 {
		next := sorted[0]
		sorted = sorted[1:]
		switch x := next.(type) {
		case ast.Set:
			x.Foreach(func(term *ast.Term) { visitor.Walk(term) })
		case ast.Object:
			x.Foreach(func(key, value *ast.Term) {
				visitor.Walk(key)
				visitor.Walk(value)
			})
		}
	}
}

func (w *writer) rule(b *strings.Builder, rule *ast.Rule) {
	for branch := rule; branch != nil; branch = branch.Else {
		fmt.Fprintf(b, "(rule %t %d ", branch.Default, branch.Head.RuleKind())
		// The reference with the package in front; else branches have none.
		if branch == rule && rule.Module != nil {
			w.ref(b, rule.Module.Package.Path)
		}
		w.ref(b, branch.Head.Ref())
		w.terms(b, branch.Head.Args)
		for _, term := range []*ast.Term{branch.Head.Key, branch.Head.Value} {
			if term == nil {
				b.WriteString("(none)")
			} else {
				w.term(b, term)
			}
		}
		w.body(b, branch.Body)
		b.WriteString(")")
	}
}

func (w *writer) body(b *strings.Builder, body ast.Body) {
	b.WriteString("(body")
	for _, expr := range body {
		w.expr(b, expr)
	}
	b.WriteString(")")
}

func (w *writer) expr(b *strings.Builder, expr *ast.Expr) {
	fmt.Fprintf(b, "(expr %t ", expr.Negated)
	switch x := expr.Terms.(type) {
	case *ast.Term:
		w.term(b, x)
	case []*ast.Term:
		w.terms(b, x)
	case *ast.Every:
		b.WriteString("(every ")
		if x.Key != nil {
			w.term(b, x.Key)
		}
		w.terms(b, []*ast.Term{x.Value, x.Domain})
		w.body(b, x.Body)
		b.WriteString(")")
	case *ast.Not:
		b.WriteString("(not ")
		w.body(b, x.Body)
		b.WriteString(")")
	case *ast.LogicalAnd:
		b.WriteString("(and ")
		w.body(b, x.Lhs)
		w.body(b, x.Rhs)
		b.WriteString(")")
	case *ast.LogicalOr:
		b.WriteString("(or ")
		w.body(b, x.Lhs)
		w.body(b, x.Rhs)
		b.WriteString(")")
	default:
		fmt.Fprintf(b, "(%T %v)", x, x)
	}
	for _, with := range expr.With {
		b.WriteString("(with ")
		w.terms(b, []*ast.Term{with.Target, with.Value})
		b.WriteString(")")
	}
	b.WriteString(")")
}

func (w *writer) terms(b *strings.Builder, terms []*ast.Term) {
	b.WriteString("(terms")
	for _, term := range terms {
		w.term(b, term)
	}
	b.WriteString(")")
}

func (w *writer) ref(b *strings.Builder, ref ast.Ref) {
	b.WriteString("(ref")
	for _, term := range ref {
		w.term(b, term)
	}
	b.WriteString(")")
}

func (w *writer) term(b *strings.Builder, term *ast.Term) {
	switch x := term.Value.(type) {
	case ast.Var:
		name, ok := w.names[x]
		if !ok {
			name = string(x)
		}
		fmt.Fprintf(b, "(var %q)", name)
	case ast.String:
		fmt.Fprintf(b, "(string %q)", string(x))
	case ast.Ref:
		w.ref(b, x)
	case ast.Call:
		b.WriteString("(call ")
		w.terms(b, x)
		b.WriteString(")")
	case *ast.Array:
		b.WriteString("(array")
		x.Foreach(func(term *ast.Term) { w.term(b, term) })
		b.WriteString(")")
	case ast.Set:
		w.sorted(b, "set", func(add func(...*ast.Term)) {
			x.Foreach(func(term *ast.Term) { add(term) })
		})
	case ast.Object:
		w.sorted(b, "object", func(add func(...*ast.Term)) {
			x.Foreach(func(key, value *ast.Term) { add(key, value) })
		})
	case *ast.ArrayComprehension:
		b.WriteString("(list ")
		w.term(b, x.Term)
		w.body(b, x.Body)
		b.WriteString(")")
	case *ast.SetComprehension:
		b.WriteString("(each ")
		w.term(b, x.Term)
		w.body(b, x.Body)
		b.WriteString(")")
	case *ast.ObjectComprehension:
		b.WriteString("(map ")
		w.terms(b, []*ast.Term{x.Key, x.Value})
		w.body(b, x.Body)
		b.WriteString(")")
	default:
		// Numbers, booleans and null; and what the compiler leaves none of.
		fmt.Fprintf(b, "(%T %v)", x, x)
	}
}

// sorted writes the members that each adds in the order of their new text.
func (w *writer) sorted(b *strings.Builder, kind string, each func(add func(...*ast.Term))) {
	var members []string
	each(func(terms ...*ast.Term) {
		var member strings.Builder
		w.terms(&member, terms)
		members = append(members, member.String())
	})
	slices.Sort(members)
	b.WriteString("(" + kind)
	for _, member := range members {
		b.WriteString(member)
	}
	b.WriteString(")")
}
