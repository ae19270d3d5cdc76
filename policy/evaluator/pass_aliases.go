package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// beginAliases has the variables of b that are no more than another name stand for the
// variable behind them, and nothing is assigned.
func beginAliases(sc *scope, b *ir.Block) statement {
	sc.aliases = sc.aliasesIn(b)
	return nil
}

// lowerAlias is the form for the assignment of another name, which is nothing to do.
func lowerAlias(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	assign, ok := stmts[0].(*ir.AssignVarStmt)
	if !ok {
		return nil, 0
	}
	if _, alias := sc.aliases[assign.Target]; !alias {
		return nil, 0
	}
	return nil, 1
}

// aliasesIn finds the variables of b that are no more than another name of one
// that does not change while they are read.
func (sc *scope) aliasesIn(b *ir.Block) map[ir.Local]ir.Local {
	bare := map[ir.Local]bool{ir.Local(sc.function.result): true}
	plan.Walk([]*ir.Block{b}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.IsDefinedStmt:
			bare[s.Source] = true
		case *ir.IsUndefinedStmt:
			bare[s.Source] = true
		case *ir.ResultSetAddStmt:
			bare[s.Value] = true
		case *ir.WithStmt:
			bare[s.Local] = true
		}
	})
	params := map[ir.Local]bool{}
	for _, p := range sc.function.params {
		params[ir.Local(p)] = true
	}
	out := map[ir.Local]ir.Local{}
	plan.Walk([]*ir.Block{b}, func(s ir.Stmt) {
		assign, ok := s.(*ir.AssignVarStmt)
		if !ok {
			return
		}
		source, ok := assign.Source.Value.(ir.Local)
		if !ok || bare[assign.Target] || bare[source] || sc.Writes[assign.Target] != 1 {
			return
		}
		if params[source] && sc.Writes[source] == 0 || !params[source] && sc.Writes[source] == 1 {
			if further, ok := out[source]; ok {
				source = further
			}
			out[assign.Target] = source
		}
	})
	return out
}
