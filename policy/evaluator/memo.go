package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

// memo holds the results of rules for one input and data. A `with` has a memo
// of its own for as long as it lasts.
type memo struct {
	input, data *ast.Term
	rules       []remembered
	functions   []calls
	paths       []remembered
	groups      []groups
	outer       *memo
}

// remembered is the result of a rule, which may be undefined. When it is not
// known, value may still hold the element under key.
type remembered struct {
	known bool
	key   *ast.Term
	value *ast.Term
}

// takeMemo returns an empty memo for input and data above outer.
func (m *machine) takeMemo(input, data *ast.Term, outer *memo) *memo {
	var out *memo
	if n := len(m.spare); n > 0 {
		out, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		out = &memo{rules: make([]remembered, m.program.rules), functions: make([]calls, m.program.functions), paths: make([]remembered, m.program.paths), groups: make([]groups, m.program.groups)}
	}
	out.input, out.data, out.outer = input, data, outer
	return out
}

// releaseMemo goes back to the memo outside the current one.
func (m *machine) releaseMemo() {
	old := m.memo
	m.memo = old.outer
	clear(old.rules)
	clear(old.paths)
	clear(old.groups)
	for i := range old.functions {
		old.functions[i].clear()
	}
	old.input, old.data, old.outer = nil, nil, nil
	m.spare = append(m.spare, old)
}

// enter switches to the memo for input and data. It reports how to leave again:
// what was current, and whether a new memo has to be released.
func (m *machine) enter(input, data *ast.Term) (before *memo, fresh bool) {
	before = m.memo
	for known := before; known != nil; known = known.outer {
		if known.input == input && known.data == data {
			m.memo = known
			return before, false
		}
	}
	m.memo = m.takeMemo(input, data, before)
	return before, true
}

func (m *machine) leave(before *memo, fresh bool) {
	if fresh {
		m.releaseMemo()
	}
	m.memo = before
}

// calls remembers what a function gave for its last arguments, which a loop
// often repeats, and from directCalls on for all of them.
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
	// giveUpAfter is how many calls a table has to prove itself: it is left
	// when fewer than one in giveUpRatio was answered from it.
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
		if a[i] == b[i] {
			continue
		}
		if a[i] == nil || b[i] == nil {
			return false
		}
		switch x := a[i].Value.(type) {
		case ast.String:
			if y, ok := b[i].Value.(ast.String); !ok || x != y {
				return false
			}
		case ast.Number:
			// Numbers that are written differently may be told apart by a builtin.
			if y, ok := b[i].Value.(ast.Number); !ok || x != y {
				return false
			}
		case ast.Boolean:
			if y, ok := b[i].Value.(ast.Boolean); !ok || x != y {
				return false
			}
		case ast.Null:
			if _, ok := b[i].Value.(ast.Null); !ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func equalArguments(a, b []*ast.Term) bool {
	for i := range a {
		if a[i] != b[i] && (b[i] == nil || !a[i].Equal(b[i])) {
			return false
		}
	}
	return true
}
