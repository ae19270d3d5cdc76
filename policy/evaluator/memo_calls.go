package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

// calls remembers the result of a function for its last arguments, which a loop often
// repeats, and after directCalls calls for all arguments.
type calls struct {
	count, hits int
	args        []*ast.Term
	result      *ast.Term
	table       map[int]*call
}

type call struct {
	args   []*ast.Term
	result *ast.Term
	next   *call
}

const (
	// directCalls are made before a table is worth its allocations.
	directCalls = 16
	// giveUpAfter is the number of calls after which a table is given up when it held
	// the results of fewer than one call in giveUpRatio.
	giveUpAfter = 512
	giveUpRatio = 16
)

// find looks for the result for args. The key is to be passed to remember; ok
// says whether the result is known.
func (c *calls) find(args []*ast.Term, expensive bool) (result *ast.Term, key int, ok bool) {
	c.count++
	if c.args != nil && sameArguments(c.args, args) {
		return c.result, 0, true
	}
	if !expensive || c.count <= directCalls || c.givenUp() {
		return nil, 0, false
	}
	for _, arg := range args {
		if arg == nil {
			return nil, 0, false
		}
		key = key*31 + arg.Value.Hash()
	}
	for known := c.table[key]; known != nil; known = known.next {
		if equalArguments(known.args, args) {
			c.hits++
			return known.result, key, true
		}
	}
	return nil, key, false
}

func (c *calls) givenUp() bool {
	return c.count > directCalls+giveUpAfter && c.hits*giveUpRatio < c.count
}

// remember keeps result for args, which are copied.
func (c *calls) remember(args []*ast.Term, key int, result *ast.Term, expensive bool) {
	c.args = append(c.args[:0], args...)
	c.result = result
	if !expensive || c.count <= directCalls || c.givenUp() {
		return
	}
	if c.table == nil {
		c.table = map[int]*call{}
	}
	c.table[key] = &call{args: append([]*ast.Term(nil), args...), result: result, next: c.table[key]}
}

func (c *calls) clear() {
	clear(c.args[:cap(c.args)])
	c.args, c.result, c.table = c.args[:0], nil, nil
	c.count, c.hits = 0, 0
}

// sameArguments is cheap: it takes composite values for different unless they
// are one and the same.
func sameArguments(a, b []*ast.Term) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (a[i] == nil || b[i] == nil || !sameScalar(a[i].Value, b[i].Value)) {
			return false
		}
	}
	return true
}

func sameScalar(a, b ast.Value) bool {
	switch x := a.(type) {
	case ast.String:
		y, ok := b.(ast.String)
		return ok && x == y
	case ast.Number:
		// A builtin may give different results for 1 and 1.0.
		y, ok := b.(ast.Number)
		return ok && x == y
	case ast.Boolean:
		y, ok := b.(ast.Boolean)
		return ok && x == y
	case ast.Null:
		_, ok := b.(ast.Null)
		return ok
	}
	return false
}

func equalArguments(a, b []*ast.Term) bool {
	for i := range a {
		if a[i] != b[i] && (b[i] == nil || !a[i].Equal(b[i])) {
			return false
		}
	}
	return true
}
