// Package rewrite writes rules so that OPA's planner plans what its interpreter does.
//
// The planner does not plan every expression the way the interpreter evaluates it. What can
// be written in another way, with the same meaning for the interpreter and a plan that
// agrees with it, is written so before the rules are planned; what can't is refused. The
// rules that are planned are copies: those of the compiler stay as they are.
package rewrite

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ForPlanning is compiler with the rules behind ref as they are to be planned.
func ForPlanning(compiler *ast.Compiler, ref ast.Ref) (*ast.Compiler, error) {
	rules := reachable(compiler, ref)
	if err := unsuitable(compiler, rules); err != nil {
		return nil, err
	}
	if err := unsuitableReplacements(compiler, rules); err != nil {
		return nil, err
	}
	lists, err := runtimeLiterals(compiler, rules)
	if err != nil {
		return nil, err
	}
	p := &preparation{compiler: compiler, lists: lists, reached: map[*ast.Rule]bool{}}
	for _, rule := range rules {
		p.reached[rule] = true
	}
	modules := map[string]*ast.Module{}
	for name, module := range compiler.Modules {
		if prepared := p.module(module); prepared != nil {
			modules[name] = prepared
		}
	}
	if len(modules) == 0 {
		return compiler, nil
	}
	out := *compiler
	out.Modules = maps.Clone(compiler.Modules)
	maps.Copy(out.Modules, modules)
	return &out, nil
}

// preparation rewrites the rules that are to be planned.
type preparation struct {
	compiler *ast.Compiler
	reached  map[*ast.Rule]bool
	lists    map[*ast.Rule]lists
	fresh    int
}

// module is a copy of module in which the reached rules are rewritten, nil where
// none has to be.
func (p *preparation) module(module *ast.Module) *ast.Module {
	var out *ast.Module
	for i, rule := range module.Rules {
		if !p.concerns(rule) {
			continue
		}
		if out == nil {
			copied := *module
			copied.Rules = slices.Clone(module.Rules)
			out = &copied
		}
		out.Rules[i] = p.rule(rule)
	}
	return out
}

// concerns reports whether a reached branch of rule has to be rewritten.
func (p *preparation) concerns(rule *ast.Rule) bool {
	for branch := rule; branch != nil; branch = branch.Else {
		if !p.reached[branch] {
			continue
		}
		found := len(p.lists[branch].sets) > 0
		walkExprs(branch, func(e *ast.Expr) {
			found = found || !slices.IsSortedFunc(e.With, p.documentsFirst) || slices.ContainsFunc(e.With, p.lifted) || nested(e)
		})
		if found {
			return true
		}
	}
	return false
}

func (p *preparation) rule(rule *ast.Rule) *ast.Rule {
	out := rule.Copy()
	for original, branch := rule, out; branch != nil; original, branch = original.Else, branch.Else {
		names := map[ast.Var]*ast.Term{}
		of := p.lists[original]
		for name := range of.sets {
			names[name] = p.variable()
		}
		one := *branch
		one.Else = nil
		ast.NewGenericVisitor(func(x any) bool {
			p.bodies(x, of, names)
			return false
		}).Walk(&one)
		branch.Body = p.body(branch.Body, of, names)
	}
	return out
}

// bodies rewrites the bodies that x holds.
func (p *preparation) bodies(x any, of lists, names map[ast.Var]*ast.Term) {
	switch x := x.(type) {
	case *ast.ArrayComprehension:
		x.Body = p.body(x.Body, of, names)
	case *ast.SetComprehension:
		x.Body = p.body(x.Body, of, names)
	case *ast.ObjectComprehension:
		x.Body = p.body(x.Body, of, names)
	case *ast.Every:
		x.Body = p.body(x.Body, of, names)
	case *ast.Not:
		x.Body = p.body(x.Body, of, names)
	case *ast.LogicalAnd:
		x.Lhs, x.Rhs = p.body(x.Lhs, of, names), p.body(x.Rhs, of, names)
	case *ast.LogicalOr:
		x.Lhs, x.Rhs = p.body(x.Lhs, of, names), p.body(x.Rhs, of, names)
	}
}

// body rewrites the expressions of one body, without those of the bodies in it.
// names are the variables for the lists of sets, by those of the sets.
func (p *preparation) body(body ast.Body, of lists, names map[ast.Var]*ast.Term) ast.Body {
	out := make(ast.Body, 0, len(body))
	for _, e := range body {
		slices.SortStableFunc(e.With, p.documentsFirst)
		for i, w := range e.With {
			if !p.lifted(w) {
				continue
			}
			name := p.variable()
			out = append(out, ast.Equality.Expr(name, w.Value).SetLocation(e.Location))
			e.With[i].Value = name
		}
		of.iterate(e, names)
		if nested(e) {
			e = &ast.Expr{Terms: &ast.Not{Body: ast.NewBody(e.ComplementNoWith()), Location: e.Location}, With: e.With, Location: e.Location}
		}
		out = append(out, e)
		if name, set := boundSet(e); set != nil && names[name] != nil {
			out = append(out, ast.Equality.Expr(names[name], ast.ArrayTerm(set.Slice()...)).SetLocation(e.Location))
		}
	}
	for i, e := range out {
		e.Index = i
	}
	return out
}

// nested reports whether e is a negation whose plan goes on in a block of its own: when
// the rest is undefined, the plan takes the expression for true. That of a negated body
// has a condition for it.
func nested(e *ast.Expr) bool {
	if !e.Negated {
		return false
	}
	found := false
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref:
			found = found || x.HasPrefix(ast.DefaultRootRef) && !x.IsGround()
		case *ast.With:
			return true
		}
		return found
	}).Walk(e)
	return found
}

// variable is one that no policy has.
func (p *preparation) variable() *ast.Term {
	p.fresh++
	return ast.VarTerm(fmt.Sprintf("__verdict%d__", p.fresh))
}

// documentsFirst orders modifiers so that those of documents come before those of
// functions: the planner takes the target of another modifier else. Which comes first
// among documents, and among functions, counts; between them it does not, since all
// values have been worked out before any is put in its place.
func (p *preparation) documentsFirst(a, b *ast.With) int {
	switch first, second := isDocument(p.compiler, a.Target), isDocument(p.compiler, b.Target); {
	case first == second:
		return 0
	case first:
		return -1
	}
	return 1
}

// lifted reports whether the value of w needs a variable of its own: what takes the
// place of a function is planned where the function is called, which knows nothing
// of the variables around the modifier.
func (p *preparation) lifted(w *ast.With) bool {
	switch w.Value.Value.(type) {
	case ast.Var, ast.Ref:
		return false
	}
	return !w.Value.IsGround() && !isDocument(p.compiler, w.Target)
}
