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

// sizes count what a memo remembers.
type sizes struct{ rules, functions, paths, groups int }

// memos are the memos of one evaluation.
type memos struct {
	memo  *memo // the current one
	spare []*memo
	sizes sizes
}

// take returns an empty memo for input and data above outer.
func (m *memos) take(input, data *ast.Term, outer *memo) *memo {
	var out *memo
	if n := len(m.spare); n > 0 {
		out, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		out = &memo{rules: make([]remembered, m.sizes.rules), functions: make([]calls, m.sizes.functions), paths: make([]remembered, m.sizes.paths), groups: make([]groups, m.sizes.groups)}
	}
	out.input, out.data, out.outer = input, data, outer
	return out
}

// release goes back to the memo around the current one.
func (m *memos) release() {
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

// enter switches to the memo for input and data. It returns what leave needs: the memo
// that was current, and whether a new memo has to be released.
func (m *memos) enter(input, data *ast.Term) (before *memo, fresh bool) {
	before = m.memo
	for known := before; known != nil; known = known.outer {
		if known.input == input && known.data == data {
			m.memo = known
			return before, false
		}
	}
	m.memo = m.take(input, data, before)
	return before, true
}

func (m *memos) leave(before *memo, fresh bool) {
	if fresh {
		m.release()
	}
	m.memo = before
}
