package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// declareRememberedCalls has functions remember what their calls gave: the last one, and
// those that are expensive all of them. Rules without arguments remember their one result
// anyway.
func declareRememberedCalls(p *planner, b *builder) {
	costs := costs(p.policy.Funcs.Funcs)
	for _, fn := range p.policy.Funcs.Funcs {
		f := p.planned[fn.Name].function
		// What takes values in the place of functions is remembered for those that were
		// passed last.
		if f.rule >= 0 || f.replaced == 0 && costs[fn.Name] == cheap {
			continue
		}
		f.expensive = f.replaced == 0 && costs[fn.Name] == expensive
		f.args = b.program.functions
		b.program.functions++
	}
}

// costs finds what the calls of each function cost.
func costs(functions []*ir.Func) map[string]cost {
	out := map[string]cost{}
	planned := map[string]bool{}
	for _, fn := range functions {
		planned[fn.Name] = true
	}
	of := func(s ir.Stmt) cost {
		switch s := s.(type) {
		case *ir.ScanStmt, *ir.CallDynamicStmt, *ir.WithStmt:
			return expensive
		case *ir.CallStmt:
			switch {
			case planned[s.Func] && len(s.Args) == plan.PassedOn:
				return cheap // a rule remembers its own result
			case planned[s.Func]:
				return out[s.Func]
			}
			return builtinOf(s.Func).cost
		}
		return cheap
	}
	for changed := true; changed; {
		changed = false
		for _, fn := range functions {
			before := out[fn.Name]
			plan.Walk(fn.Blocks, func(s ir.Stmt) { out[fn.Name] = max(out[fn.Name], of(s)) })
			changed = changed || out[fn.Name] != before
		}
	}
	return out
}
