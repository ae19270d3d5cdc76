package rewrite

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reachable are the rules that the document at ref depends on.
func reachable(compiler *ast.Compiler, ref ast.Ref) []*ast.Rule {
	var out []*ast.Rule
	seen := map[*ast.Rule]bool{}
	var add func(rule *ast.Rule)
	add = func(rule *ast.Rule) {
		if seen[rule] {
			return
		}
		seen[rule] = true
		out = append(out, rule)
		for node := range compiler.Graph.Dependencies(rule) {
			if other, ok := node.(*ast.Rule); ok {
				add(other)
			}
		}
		if rule.Else != nil {
			add(rule.Else)
		}
	}
	for _, rule := range compiler.GetRules(ref) {
		add(rule)
	}
	return out
}

// alone is the branch without the else branches after it, which reachable has, too: to
// walk those with each branch takes time by the square of their number.
func alone(branch *ast.Rule) *ast.Rule {
	one := *branch
	one.Else = nil
	return &one
}

func isFunction(compiler *ast.Compiler, t *ast.Term) bool {
	ref, ok := t.Value.(ast.Ref)
	return ok && compiler.GetArity(ref) > 0
}

// unsuitable finds what a program would do worse than the interpreter, or not
// at all.
func unsuitable(compiler *ast.Compiler, rules []*ast.Rule) error {
	for _, rule := range rules {
		var err error
		ast.WalkExprs(alone(rule), func(e *ast.Expr) bool {
			if term, ok := e.Terms.(*ast.Term); ok && err == nil {
				ast.WalkClosures(term, func(any) bool {
					// A term that is no more than evaluated is planned as
					// nothing, and evaluating it may fail.
					err = fmt.Errorf("%v: an expression that is a comprehension", term.Location)
					return true
				})
			}
			for _, w := range e.With {
				if err == nil && isFunction(compiler, w.Value) && !isFunction(compiler, w.Target) {
					err = fmt.Errorf("%v: a function takes the place of a value", w.Location)
				}
			}
			return err != nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walkExprs visits the expressions of one branch of a rule.
func walkExprs(branch *ast.Rule, visit func(*ast.Expr)) {
	ast.WalkExprs(alone(branch), func(e *ast.Expr) bool {
		visit(e)
		return false
	})
}

// isDocument reports whether target is input or data, or a part of them that is
// no function.
func isDocument(compiler *ast.Compiler, target *ast.Term) bool {
	ref, ok := target.Value.(ast.Ref)
	return ok && (ref.HasPrefix(ast.InputRootRef) || ref.HasPrefix(ast.DefaultRootRef)) && !isFunction(compiler, target)
}

// WalkTerms visits the terms of the rules that the document at ref depends on. It does
// not visit those in a term for which visit is true.
func WalkTerms(compiler *ast.Compiler, ref ast.Ref, visit func(*ast.Term) bool) {
	for _, rule := range reachable(compiler, ref) {
		ast.WalkTerms(alone(rule), visit)
	}
}
