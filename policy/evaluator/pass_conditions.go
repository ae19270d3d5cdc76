package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerCondition is the form for a call of a builtin function whose result, true or false,
// is only tested.
func lowerCondition(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	call, ok := stmts[0].(*ir.CallStmt)
	if !ok || len(stmts) < 2 || !isTest(stmts[1], call.Result) || sc.Uses[call.Result] != 1 {
		return nil, 0
	}
	if s := sc.condition(call); s != nil {
		return s, 2
	}
	return nil, 0
}

// isTest reports whether s demands that v is not false.
func isTest(s ir.Stmt, v ir.Local) bool {
	test, ok := s.(*ir.NotEqualStmt)
	if !ok || test.A.Value != v {
		return false
	}
	b, ok := test.B.Value.(ir.Bool)
	return ok && !bool(b)
}

func (sc *scope) condition(call *ir.CallStmt) statement {
	args, known := sc.operands(call.Args), builtinOf(call.Func).inline
	if known.is != nil && len(args) == 1 {
		return sc.isType(call.Args[0], known.is)
	}
	holds := known.holds
	if holds == nil || len(args) != 2 {
		return nil
	}
	a, b := args[0], args[1]
	switch call.Func {
	case ast.Equal.Name:
		return sc.equal(a, b)
	case ast.NotEqual.Name:
		return sc.notEqual(a, b)
	}
	return func(m *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil {
			return m.fail(errUndefinedOperand)
		}
		v, ok := holds(x, y)
		if !ok {
			return m.fail(errOperandType)
		}
		if v {
			return next
		}
		return undefined
	}
}
