package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerHasKey is the form for `"key" in object.keys(x)`, which asks for one key of an object.
func lowerHasKey(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	keys, ok := stmts[0].(*ir.CallStmt)
	if !ok || keys.Func != ast.ObjectKeys.Name {
		return nil, 0
	}
	set, at := keys.Result, 1
	if len(stmts) > at {
		if assign, ok := stmts[at].(*ir.AssignVarStmt); ok && assign.Source.Value == set && sc.Uses[set] == 1 {
			set, at = assign.Target, at+1
		}
	}
	if len(stmts) < at+2 || sc.Uses[set] != 1 {
		return nil, 0
	}
	in, ok := stmts[at].(*ir.CallStmt)
	if !ok || in.Func != ast.Member.Name || len(in.Args) != 2 || in.Args[1].Value != set || in.Args[0].Value == set {
		return nil, 0
	}
	if !isTest(stmts[at+1], in.Result) || sc.Uses[in.Result] != 1 {
		return nil, 0
	}
	object, key := sc.operand(keys.Args[0]), sc.operand(in.Args[0])
	return func(m *machine, f frame) code {
		o, k := objectIn(object.in(f)), key.in(f)
		if o == nil || k == nil {
			return m.fail(errOperandType)
		}
		if o.Get(k) == nil {
			return undefined
		}
		return next
	}, at + 2
}
