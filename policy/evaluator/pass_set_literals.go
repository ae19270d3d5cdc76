package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// longLiteral is the number of elements from which a set is made at once, in its final
// size.
const longLiteral = 16

// lowerSetLiteral is the form for a large set whose elements are added at once.
func lowerSetLiteral(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	set, ok := stmts[0].(*ir.MakeSetStmt)
	if !ok || sc.Writes[set.Target]-1 < longLiteral || int(set.Target) == sc.function.result {
		return nil, 0
	}
	elements, used := sc.elements(set.Target, stmts, func(s ir.Stmt) (ir.Local, ir.Operand, bool) {
		add, ok := s.(*ir.SetAddStmt)
		if !ok {
			return 0, ir.Operand{}, false
		}
		return add.Set, add.Value, true
	})
	if used == 0 {
		return nil, 0
	}
	target := int(set.Target)
	return func(m *machine, f frame) code {
		terms := make([]*ast.Term, len(elements))
		for i, e := range elements {
			if terms[i] = e.in(f); terms[i] == nil {
				return m.fail(errUndefinedOperand)
			}
		}
		f[target] = ast.NewTerm(ast.NewSet(terms...))
		return next
	}, used
}
