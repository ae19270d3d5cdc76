package evaluator

import "github.com/open-policy-agent/opa/v1/ir"

// lowerArrayLiteral is the form for an array whose elements are appended at once: it is
// made in its final size.
func lowerArrayLiteral(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	array, elements, used := sc.arrayElements(stmts)
	if used == 0 {
		return nil, 0
	}
	target := int(array)
	return func(m *machine, f frame) code {
		made := makeArray(f, elements)
		if made == nil {
			return m.fail(errUndefinedOperand)
		}
		f[target] = made
		return next
	}, used
}
