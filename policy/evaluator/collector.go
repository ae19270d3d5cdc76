package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

// collector holds the elements that the running functions put aside, those of the
// innermost from collecting on. Functions end in the opposite order of their beginning,
// so that one stack serves them all.
type collector struct {
	collected  []*ast.Term
	collecting int
}

func (c *collector) clearCollected() {
	clear(c.collected[:cap(c.collected)])
	c.collected, c.collecting = c.collected[:0], 0
}

// nothing is the set of all rules that added nothing. What a rule gave is not
// changed any more.
var nothing = ast.NewTerm(ast.NewSet())

// collectedSet is the set of what the running function put aside.
func (c *collector) collectedSet() *ast.Term {
	aside := c.collected[c.collecting:]
	if len(aside) == 0 {
		return nothing
	}
	out := ast.NewTerm(ast.NewSet(aside...))
	clear(aside)
	c.collected = c.collected[:c.collecting]
	return out
}
