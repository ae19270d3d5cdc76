package evaluator

import "github.com/open-policy-agent/opa/v1/ir"

// lowerSettled is the form for a block that always ends the same way.
func lowerSettled(_ *scope, stmts []ir.Stmt) (s statement, used int) {
	b, ok := stmts[0].(*ir.BlockStmt)
	if !ok {
		return nil, 0
	}
	c, known := same(b.Blocks)
	switch {
	case !known:
		return nil, 0
	case c == next:
		return nil, 1
	}
	return func(*machine, frame) code { return c }, 1
}

// same reports the code that blocks always end with, whatever the variables
// hold. The plan has such blocks where a reference has no data to look at.
func same(blocks []*ir.Block) (code, bool) {
	for _, b := range blocks {
		c, known := next, true
		for _, s := range b.Stmts {
			switch s := s.(type) {
			case *ir.NopStmt:
			case *ir.BreakStmt:
				c = code(s.Index) + 1
			case *ir.BlockStmt:
				c, known = same(s.Blocks)
			default:
				known = false
			}
			if !known {
				return next, false
			}
			if c != next {
				break
			}
		}
		if c > undefined {
			return c - 1, true
		}
	}
	return next, true
}
