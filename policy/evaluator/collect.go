package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// The few elements that a rule adds to its set are put aside first, and the set
// is made of them at the end, in its final size. Functions end in the opposite
// order of their beginning, so that one stack serves them all.

// maxCollected is how many elements are put aside: more may be repetitions.
const maxCollected = 32

// collects reports whether the function of the plan does no more than add
// elements to a set, and return it.
func collects(fn *ir.Func, d layout) bool {
	if !keyed(fn, d) || len(d.prologue) != 1 || len(d.prologue[0].Stmts) != 1 || len(d.epilogue) != 1 || len(d.epilogue[0].Stmts) != 1 {
		return false
	}
	if made, ok := d.prologue[0].Stmts[0].(*ir.MakeSetStmt); !ok || made.Target != fn.Return {
		return false
	}
	_, ok := d.epilogue[0].Stmts[0].(*ir.ReturnLocalStmt)
	return ok
}

// collect lowers the addition of an element to the set of such a function.
func collect(value operand, result int) statement {
	return func(m *machine, f frame) code {
		v := value.in(f)
		if v == nil {
			return m.fail(errUnplanned)
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

// nothing is the set of all rules that added nothing. What a rule gave is not
// changed any more.
var nothing = ast.NewTerm(ast.NewSet())

// collectedSet is the set of what the running function put aside.
func (m *machine) collectedSet() *ast.Term {
	aside := m.collected[m.collecting:]
	if len(aside) == 0 {
		return nothing
	}
	set := ast.NewTerm(ast.NewSet(aside...))
	clear(aside)
	m.collected = m.collected[:m.collecting]
	return set
}
