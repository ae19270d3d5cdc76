package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// arrayElements are the elements of an array that stmts begins with, which are appended at
// once. used is how many statements it takes to make it, 0 for anything else.
func (sc *scope) arrayElements(stmts []ir.Stmt) (array ir.Local, elements []operand, used int) {
	made, ok := stmts[0].(*ir.MakeArrayStmt)
	if !ok {
		return 0, nil, 0
	}
	elements, used = sc.elements(made.Target, stmts, func(s ir.Stmt) (ir.Local, ir.Operand, bool) {
		add, ok := s.(*ir.ArrayAppendStmt)
		if !ok {
			return 0, ir.Operand{}, false
		}
		return add.Array, add.Value, true
	})
	return made.Target, elements, used
}

// elements are those of a literal that stmts begins with. adds tells to what a statement
// adds which operand.
func (sc *scope) elements(literal ir.Local, stmts []ir.Stmt, adds func(ir.Stmt) (ir.Local, ir.Operand, bool)) (elements []operand, used int) {
	n := sc.Writes[literal] - 1
	if n < 1 || sc.constants[literal] != nil {
		return nil, 0
	}
	for used = 1; len(elements) < n; used++ {
		if used == len(stmts) {
			return nil, 0
		}
		if sc.makesConstant(stmts[used]) {
			continue // its operand is the constant
		}
		into, value, ok := adds(stmts[used])
		if !ok || into != literal || value.Value == literal {
			return nil, 0
		}
		elements = append(elements, sc.operand(value))
	}
	return elements, used
}

// makesConstant reports whether s does no more than make, or fill, a constant, which its
// operands are.
func (sc *scope) makesConstant(s ir.Stmt) bool {
	isConstant := func(v ir.Local) bool { return sc.constants[v] != nil && !sc.free[v] }
	switch s := s.(type) {
	case *ir.MakeNullStmt, *ir.MakeNumberIntStmt, *ir.MakeNumberRefStmt, *ir.MakeArrayStmt, *ir.MakeObjectStmt, *ir.MakeSetStmt:
		constant := false
		plan.Writes(s, func(v ir.Local) { constant = isConstant(v) })
		return constant
	case *ir.ArrayAppendStmt:
		return isConstant(s.Array)
	case *ir.SetAddStmt:
		return isConstant(s.Set)
	case *ir.ObjectInsertStmt:
		return isConstant(s.Object)
	}
	return false
}

func makeArray(f frame, elements []operand) *ast.Term {
	terms := make([]*ast.Term, len(elements))
	for i, e := range elements {
		if terms[i] = e.in(f); terms[i] == nil {
			return nil
		}
	}
	return ast.NewTerm(ast.NewArray(terms...))
}
