package evaluator

import "github.com/verdict-dev/verdict/policy/evaluator/plan"

// indexFrom is the number of definitions from which asking OPA's index pays.
const indexFrom = 6

// declareIndexes has functions with many definitions ask OPA's index which of them can hold.
func declareIndexes(p *planner, b *builder) {
	for _, fn := range p.policy.Funcs.Funcs {
		planned := p.planned[fn.Name]
		if len(planned.layout.Definitions) < indexFrom {
			continue
		}
		if ref := plan.Ref(fn); p.compiler.RuleIndex(ref) != nil {
			planned.function.index = len(b.program.indexes)
			b.program.indexes = append(b.program.indexes, ref)
		}
	}
}
