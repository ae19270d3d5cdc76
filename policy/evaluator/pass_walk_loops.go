package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// lowerWalkLoop is the form for `walk(x, [_, value])`: the call and the loop over what it
// gives. Neither the pairs nor the paths are made.
func lowerWalkLoop(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	call, ok := stmts[0].(*ir.CallStmt)
	if !ok || call.Func != ast.WalkBuiltin.Name || len(stmts) < 2 || len(call.Args) != 1 {
		return nil, 0
	}
	scan, ok := stmts[1].(*ir.ScanStmt)
	if !ok || scan.Source != call.Result || sc.Uses[call.Result] != 1 || sc.needed(scan.Key) {
		return nil, 0
	}
	path, value, rest, ok := pair(scan)
	if !ok || sc.needed(path) {
		return nil, 0
	}
	body := sc.deeper().block(&ir.Block{Stmts: rest})
	loop := &scanner{key: int(path), value: int(value), body: body}
	root := sc.operand(call.Args[0])
	return func(m *machine, f frame) code {
		v := root.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		c, _ := loop.walk(m, f, v)
		return c
	}, 2
}

// walk runs the body for node and all below it, in the order of OPA's walk.
func (s *scanner) walk(m *machine, f frame, node *ast.Term) (c code, done bool) {
	if c, done := s.one(m, f, nil, node); done {
		return c, true
	}
	switch v := node.Value.(type) {
	case *ast.Array:
		for i, n := 0, v.Len(); i < n; i++ {
			if c, done := s.walk(m, f, v.Elem(i)); done {
				return c, true
			}
		}
	case ast.Set:
		for _, elem := range v.Slice() {
			if c, done := s.walk(m, f, elem); done {
				return c, true
			}
		}
	case ast.Object:
		v.Until(func(_, below *ast.Term) bool {
			c, done = s.walk(m, f, below)
			return done
		})
	}
	return c, done
}

// pair recognises a loop that takes its values apart as [path, value], and
// gives the variables and the statements after that.
func pair(scan *ir.ScanStmt) (path, value ir.Local, rest []ir.Stmt, ok bool) {
	const length = 11
	b := scan.Block.Stmts
	if len(b) < length {
		return 0, 0, nil, false
	}
	isArray, ok1 := b[0].(*ir.IsArrayStmt)
	_, ok2 := b[1].(*ir.LenStmt)
	two, ok3 := b[2].(*ir.MakeNumberIntStmt)
	_, ok4 := b[3].(*ir.EqualStmt)
	_, ok5 := b[4].(*ir.MakeNumberIntStmt)
	first, ok6 := b[5].(*ir.AssignIntStmt)
	dot0, ok7 := b[6].(*ir.DotStmt)
	assign0, ok8 := b[7].(*ir.AssignVarStmt)
	second, ok9 := b[8].(*ir.AssignIntStmt)
	dot1, ok10 := b[9].(*ir.DotStmt)
	assign1, ok11 := b[10].(*ir.AssignVarStmt)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 || !ok8 || !ok9 || !ok10 || !ok11 {
		return 0, 0, nil, false
	}
	if isArray.Source.Value != scan.Value || two.Value != 2 || first.Value != 0 || second.Value != 1 ||
		dot0.Source.Value != scan.Value || dot0.Key.Value != first.Target || assign0.Source.Value != dot0.Target ||
		dot1.Source.Value != scan.Value || dot1.Key.Value != second.Target || assign1.Source.Value != dot1.Target {
		return 0, 0, nil, false
	}
	// No later statement may read as a whole what was taken apart.
	for _, v := range []ir.Local{scan.Value, dot0.Target, first.Target} {
		again := false
		plan.Walk([]*ir.Block{{Stmts: b[length:]}}, func(s ir.Stmt) { plan.Reads(s, func(r ir.Local) { again = again || r == v }) })
		if again {
			return 0, 0, nil, false
		}
	}
	return assign0.Target, assign1.Target, b[length:], true
}
