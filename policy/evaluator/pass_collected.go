package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// The few elements that a rule adds to its set are put aside first, and the set
// is made of them at the end, in its final size.

// maxCollected is how many elements are put aside: more may be repetitions.
const maxCollected = 32

// declareCollected finds the functions that do no more than add elements to a set.
func declareCollected(p *planner, _ *builder) {
	for _, fn := range p.policy.Funcs.Funcs {
		planned := p.planned[fn.Name]
		planned.function.collects = planned.layout.OnlyAddsToSet(fn)
	}
}

// lowerCollected is the form for the addition of an element to the set of such a function.
func lowerCollected(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	add, ok := stmts[0].(*ir.SetAddStmt)
	if !ok || !sc.function.collects || int(add.Set) != sc.function.result {
		return nil, 0
	}
	return collect(sc.operand(add.Value), int(add.Set)), 1
}

func collect(value operand, result int) statement {
	return func(m *machine, f frame) code {
		v := value.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		if whole := f[result]; whole != nil {
			whole.Value.(ast.Set).Add(v)
			return next
		}
		n := len(m.collected)
		if n > m.collecting && m.collected[n-1] == v {
			return next
		}
		m.collected = append(m.collected, v)
		if n+1-m.collecting > maxCollected {
			f[result] = m.collectedSet()
		}
		return next
	}
}
