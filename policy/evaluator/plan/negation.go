package plan

import "github.com/open-policy-agent/opa/v1/ir"

// The plan of a negation holds when its block does not reach the end. That
// fails where the negated expression goes on inside a nested block, as after a
// reference to data whose rule is found by a computed name: when the rest of
// the expression is undefined, the nested block is left and the end is reached
// all the same. Such negations are left to the interpreter.

// Decided reports whether the end of b is reached only when all of the negated
// expression holds.
func Decided(b *ir.Block) bool {
	for i, s := range b.Stmts {
		switch s := s.(type) {
		case *ir.BlockStmt:
			if !decidedBlock(b.Stmts, i, s) {
				return false
			}
		case *ir.ScanStmt:
			// The loop of an every ends with a check of its condition.
			if _, ok := at(b.Stmts, i+1).(*ir.IsUndefinedStmt); !ok {
				return false
			}
		case *ir.WithStmt:
			if !Decided(s.Block) {
				return false
			}
		case *ir.CallDynamicStmt:
			return false
		}
	}
	return true
}

// decidedBlock is Decided for the block that is the ith of stmts.
func decidedBlock(stmts []ir.Stmt, i int, s *ir.BlockStmt) bool {
	return IsComprehension(at(stmts, i-1), s) || extent(s) || followedByCondition(at(stmts, i+1))
}

// at is the ith of stmts, nil where there is none.
func at(stmts []ir.Stmt, i int) ir.Stmt {
	if i < 0 || i >= len(stmts) {
		return nil
	}
	return stmts[i]
}

// IsComprehension recognises the block that fills what was made just before.
func IsComprehension(before ir.Stmt, s *ir.BlockStmt) bool {
	var target ir.Local
	switch before := before.(type) {
	case *ir.MakeArrayStmt:
		target = before.Target
	case *ir.MakeSetStmt:
		target = before.Target
	case *ir.MakeObjectStmt:
		target = before.Target
	default:
		return false
	}
	filled := false
	Walk(s.Blocks, func(s ir.Stmt) {
		Writes(s, func(v ir.Local) { filled = filled || v == target })
	})
	return filled && len(s.Blocks) == 1
}

// extent recognises the blocks that put a package together: a rule that is
// added when it is defined, and data that is merged in when there is any.
func extent(s *ir.BlockStmt) bool {
	if len(s.Blocks) != 1 {
		return false
	}
	stmts := s.Blocks[0].Stmts
	switch len(stmts) {
	case 1:
		_, ok := stmts[0].(*ir.CallStmt)
		return ok
	case 2:
		if _, ok := stmts[0].(*ir.CallStmt); ok {
			_, ok := stmts[1].(*ir.ObjectInsertStmt)
			return ok
		}
		inner, ok := stmts[0].(*ir.BlockStmt)
		if !ok {
			return false
		}
		dynamic := false
		Walk(inner.Blocks, func(s ir.Stmt) {
			_, ok := s.(*ir.CallDynamicStmt)
			dynamic = dynamic || ok
		})
		switch last := stmts[1].(type) {
		case *ir.AssignVarStmt:
			return !dynamic
		case *ir.BreakStmt:
			return !dynamic && last.Index == 1
		}
	}
	return false
}

func followedByCondition(after ir.Stmt) bool {
	_, ok := after.(*ir.IsDefinedStmt)
	return ok
}
