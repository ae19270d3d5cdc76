package evaluator

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// rewriteConstants takes the parts of constants out of the plan: a table of 10,000 numbers
// is one variable that is set.
func rewriteConstants(p *planner) {
	for _, fn := range p.policy.Funcs.Funcs {
		maps.Copy(p.literals, plan.Trim(fn, p.strings))
	}
}

// beginConstants finds the variables of b that hold one constant wherever they are defined.
func beginConstants(sc *scope, b *ir.Block) statement {
	sc.constants = maps.Clone(sc.literals[b])
	if sc.constants == nil {
		sc.constants = plan.Constants(b, ir.Local(sc.function.result), sc.strings)
	}
	return nil
}
