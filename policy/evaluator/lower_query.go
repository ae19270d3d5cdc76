package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerResult is the form for the end of the query, which adds an object of its variables
// to the results. The only variable has the entry rule's value.
func lowerResult(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	const length = 3
	object, ok := stmts[0].(*ir.MakeObjectStmt)
	if !ok || len(stmts) < length {
		return nil, 0
	}
	insert, ok1 := stmts[1].(*ir.ObjectInsertStmt)
	add, ok2 := stmts[2].(*ir.ResultSetAddStmt)
	if !ok1 || !ok2 || insert.Object != object.Target || add.Value != object.Target {
		return nil, 0
	}
	name, ok := insert.Key.Value.(ir.StringIndex)
	if !ok || sc.string(int(name)).Value.Compare(ast.String(resultVar)) != 0 {
		return nil, 0
	}
	value := sc.operand(insert.Value)
	return func(m *machine, f frame) code {
		v := value.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		if m.result != nil && !m.result.Equal(v) {
			return m.fail(errConflict)
		}
		m.result = v
		return next
	}, length
}
