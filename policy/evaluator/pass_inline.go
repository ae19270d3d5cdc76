package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerInline is the form for a call of a builtin function that is done without OPA's own
// implementation.
func lowerInline(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	call, ok := stmts[0].(*ir.CallStmt)
	if !ok || sc.planned[call.Func] != nil {
		return nil, 0
	}
	args, result, known := sc.operands(call.Args), int(call.Result), builtinOf(call.Func).inline
	switch {
	case known.is != nil && len(args) == 1:
		return valueOfType(known.is, args[0], result), 1
	case known.value != nil && len(args) == known.arguments:
		return valueOf(known.value, args, result), 1
	case known.holds != nil && len(args) == 2:
		return valueOfPredicate(known.holds, args[0], args[1], result), 1
	}
	return nil, 0
}

func valueOfType(is func(ast.Value) bool, arg operand, result int) statement {
	return func(m *machine, f frame) code {
		v := arg.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		f[result] = ast.InternedTerm(is(v.Value))
		return next
	}
}

func valueOfPredicate(holds predicate, a, b operand, result int) statement {
	return func(m *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil {
			return m.fail(errUndefinedOperand)
		}
		v, ok := holds(x, y)
		if !ok {
			return m.fail(errOperandType)
		}
		f[result] = ast.InternedTerm(v)
		return next
	}
}

func valueOf(apply func([]*ast.Term) *ast.Term, args []operand, result int) statement {
	return func(m *machine, f frame) code {
		b := &m.builtins
		b.operands = b.operands[:0]
		for _, a := range args {
			v := a.in(f)
			if v == nil {
				return m.fail(errUndefinedOperand)
			}
			b.operands = append(b.operands, v)
		}
		v := apply(b.operands)
		if v == nil {
			return m.fail(errOperandType)
		}
		f[result] = v
		return next
	}
}
