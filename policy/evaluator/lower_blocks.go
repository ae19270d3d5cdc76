package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

func (sc *scope) nested(s *ir.BlockStmt) statement {
	blocks := sc.apart().blocks(s.Blocks)
	if len(blocks) == 1 {
		b := blocks[0]
		return func(m *machine, f frame) code {
			c := b.run(m, f)
			switch {
			case c <= undefined:
				return next
			case c >= found:
				return c
			}
			return c - 1
		}
	}
	return func(m *machine, f frame) code { return runBlocks(blocks, m, f) }
}

func (sc *scope) not(s *ir.NotStmt) statement {
	body := sc.apart().block(s.Block)
	// The plan of a negated body expects its condition to be unset before it.
	bodied := false
	if n := len(s.Block.Stmts); n > 0 {
		var condition *ir.IsDefinedStmt
		if condition, bodied = s.Block.Stmts[n-1].(*ir.IsDefinedStmt); bodied {
			body = append(block{set(condition.Source, nil)}, body...)
		}
	}
	if !bodied && !plan.Decided(s.Block) {
		return sc.refuse("a negation that goes on in a nested block")
	}
	return func(m *machine, f frame) code {
		c := body.run(m, f)
		switch {
		case c == next:
			return undefined
		case c == undefined:
			return next
		case c >= found:
			return c
		}
		return c - 1
	}
}
