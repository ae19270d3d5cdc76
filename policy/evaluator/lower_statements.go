package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerStatement is the form for each statement by itself, which comes after all others.
func lowerStatement(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	return sc.statement(stmts[0]), 1
}

// statement lowers one statement; nil means that there is nothing to do.
func (sc *scope) statement(s ir.Stmt) statement {
	switch s := s.(type) {
	case *ir.NopStmt:
		return nil
	case *ir.BlockStmt:
		return sc.nested(s)
	case *ir.BreakStmt:
		leave := code(s.Index) + 1
		return func(*machine, frame) code { return leave }
	case *ir.ScanStmt:
		return sc.scan(s)
	case *ir.NotStmt:
		return sc.not(s)
	case *ir.WithStmt:
		return sc.with(s)
	case *ir.CallStmt:
		return sc.call(s)
	case *ir.CallDynamicStmt:
		return sc.callDynamic(s)
	case *ir.DotStmt:
		return sc.dot(s)
	case *ir.LenStmt:
		return sc.length(s)
	case *ir.EqualStmt:
		return sc.equal(sc.operand(s.A), sc.operand(s.B))
	case *ir.NotEqualStmt:
		return sc.notEqual(sc.operand(s.A), sc.operand(s.B))
	case *ir.ReturnLocalStmt:
		if int(s.Source) != sc.function.result {
			return sc.refuse("another value is returned than the function's")
		}
		return nil // it is the last statement, and run reads the variable
	case *ir.ResultSetAddStmt:
		return sc.refuse("results are added in another way")
	}
	return sc.check(s)
}

// check lowers the statements that ask what one variable holds.
func (sc *scope) check(s ir.Stmt) statement {
	switch s := s.(type) {
	case *ir.IsArrayStmt:
		return sc.isType(s.Source, func(v ast.Value) bool { _, ok := v.(*ast.Array); return ok })
	case *ir.IsObjectStmt:
		return sc.isType(s.Source, func(v ast.Value) bool { _, ok := v.(ast.Object); return ok })
	case *ir.IsSetStmt:
		return sc.isType(s.Source, func(v ast.Value) bool { _, ok := v.(ast.Set); return ok })
	case *ir.IsDefinedStmt:
		source := int(s.Source)
		return func(_ *machine, f frame) code {
			if f[source] == nil {
				return undefined
			}
			return next
		}
	case *ir.IsUndefinedStmt:
		source := int(s.Source)
		return func(_ *machine, f frame) code {
			if f[source] != nil {
				return undefined
			}
			return next
		}
	}
	return sc.assignment(s)
}

// assignment lowers the statements that set a variable or change its value.
func (sc *scope) assignment(s ir.Stmt) statement {
	switch s := s.(type) {
	case *ir.AssignVarStmt:
		return sc.assign(s)
	case *ir.AssignVarOnceStmt:
		return sc.assignOnce(s)
	case *ir.AssignIntStmt:
		return set(s.Target, ast.InternedTerm(s.Value))
	case *ir.ResetLocalStmt:
		return set(s.Target, nil)
	case *ir.MakeNullStmt:
		return set(s.Target, ast.NullTerm())
	case *ir.MakeNumberIntStmt:
		return set(s.Target, ast.InternedTerm(s.Value))
	case *ir.MakeNumberRefStmt:
		return set(s.Target, ast.NewTerm(ast.Number(string(sc.string(s.Index).Value.(ast.String)))))
	case *ir.MakeArrayStmt:
		return sc.make(s.Target, func() ast.Value { return ast.NewArray() })
	case *ir.MakeObjectStmt:
		return sc.make(s.Target, func() ast.Value { return ast.NewObject() })
	case *ir.MakeSetStmt:
		return sc.make(s.Target, func() ast.Value { return ast.NewSet() })
	case *ir.ArrayAppendStmt:
		return sc.arrayAppend(s)
	case *ir.SetAddStmt:
		return sc.setAdd(s)
	case *ir.ObjectInsertStmt:
		return sc.objectInsert(s)
	case *ir.ObjectInsertOnceStmt:
		return sc.objectInsertOnce(s)
	case *ir.ObjectMergeStmt:
		return sc.objectMerge(s)
	}
	return sc.refuse("statement %T is not known", s)
}
