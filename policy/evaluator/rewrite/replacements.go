package rewrite

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// replacements are the references that modifiers put in the place of functions, by
// the names of the functions.
func replacements(compiler *ast.Compiler, rules []*ast.Rule) map[string][]ast.Ref {
	out := map[string][]ast.Ref{}
	for _, rule := range rules {
		walkExprs(rule, func(e *ast.Expr) {
			for _, w := range e.With {
				if value, ok := w.Value.Value.(ast.Ref); ok && !isDocument(compiler, w.Target) {
					name := w.Target.Value.String()
					out[name] = append(out[name], value)
				}
			}
		})
	}
	return out
}

// unsuitableReplacements finds functions in whose place something else is put, for
// which a plan does not do what the interpreter does:
//
//   - A function that takes the place of another one calls the functions as they are.
//     The plan has one version of each rule and function for the whole expression,
//     though. The rules that replacements reach must not call what is replaced.
//   - A function that lies in a document that is replaced is no function to the planner.
//   - The value of a rule in the place of a function is not looked at where nothing is
//     done with the result of the call: the interpreter takes it for true.
func unsuitableReplacements(compiler *ast.Compiler, rules []*ast.Rule) error {
	functions, documents := map[string]*ast.Term{}, map[string]*ast.Term{}
	for _, rule := range rules {
		walkExprs(rule, func(e *ast.Expr) {
			for _, w := range e.With {
				if isDocument(compiler, w.Target) {
					documents[w.Target.Value.String()] = w.Target
				} else {
					functions[w.Target.Value.String()] = w.Target
				}
			}
		})
	}
	if len(functions) == 0 {
		return nil
	}
	for name, function := range functions {
		for _, document := range documents {
			ref, ok := function.Value.(ast.Ref)
			if ok && ref.HasPrefix(document.Value.(ast.Ref)) {
				return fmt.Errorf("%v: %v is replaced, and so is %s in it", document.Location, document, name)
			}
		}
	}
	return unsuitableValues(compiler, rules, functions)
}

// unsuitableValues looks at what takes the place of functions.
func unsuitableValues(compiler *ast.Compiler, rules []*ast.Rule, replaced map[string]*ast.Term) error {
	for name, values := range replacements(compiler, rules) {
		for _, value := range values {
			if err := unsuitableValue(compiler, rules, replaced, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// unsuitableValue looks at value, which takes the place of the function called name.
func unsuitableValue(compiler *ast.Compiler, rules []*ast.Rule, replaced map[string]*ast.Term, name string, value ast.Ref) error {
	if !value.HasPrefix(ast.DefaultRootRef) {
		return nil // a builtin function
	}
	if !isFunction(compiler, ast.NewTerm(value)) {
		if at := unused(compiler, rules, name); at != nil {
			return fmt.Errorf("%v: %s is called without a use of its result, and %v takes its place", at, name, value)
		}
		return nil
	}
	for _, rule := range reachable(compiler, value) {
		var err error
		walkExprs(rule, func(e *ast.Expr) {
			if e.IsCall() && replaced[e.Operator().String()] != nil {
				err = fmt.Errorf("%v: %v is called from %v, which takes the place of a function, and is replaced itself", e.Location, e.Operator(), value)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unused finds a call of the function called name whose result is not used, nil for
// none.
func unused(compiler *ast.Compiler, rules []*ast.Rule, name string) (at *ast.Location) {
	for _, rule := range rules {
		walkExprs(rule, func(e *ast.Expr) {
			if e.IsCall() && e.Operator().String() == name && len(e.Operands()) == compiler.GetArity(e.Operator()) {
				at = e.Location
			}
		})
	}
	return at
}
