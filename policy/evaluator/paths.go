package evaluator

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// path lowers a reference such as input.spec.user to one statement, which
// remembers what it found for as long as input and data stay the same.
func (l *lowering) path(stmts []ir.Stmt) (s statement, used int) {
	first, ok := stmts[0].(*ir.DotStmt)
	if !ok {
		return nil, 0
	}
	root, ok := first.Source.Value.(ir.Local)
	if !ok || (root != ir.Input && root != ir.Data) {
		return nil, 0
	}
	var keys []*ast.Term
	target := root
	for _, s := range stmts {
		dot, ok := s.(*ir.DotStmt)
		if !ok || dot.Source.Value != target || (used > 0 && (l.uses[target] != 1 || l.writes[target] != 1)) {
			break
		}
		name, ok := dot.Key.Value.(ir.StringIndex)
		if !ok {
			break
		}
		keys = append(keys, l.string(int(name)))
		target = dot.Target
		used++
	}
	if used == 0 {
		return nil, 0
	}
	at, slot := l.pathNumber(root, keys), int(target)
	isData := root == ir.Data
	return func(m *machine, f frame) code {
		known := &m.memo.paths[at]
		if !known.known {
			v := m.memo.input
			if isData {
				v = m.memo.data
			}
			for _, k := range keys {
				if v == nil {
					break
				}
				if isData && foundByName(v, k) {
					return m.fail(errUnplanned)
				}
				v = part(v, k)
			}
			known.known, known.value = true, v
		}
		f[slot] = known.value
		if known.value == nil {
			return undefined
		}
		return next
	}, used
}

// pathNumber is the place of a path among those that a memo remembers.
func (l *lowering) pathNumber(root ir.Local, keys []*ast.Term) int {
	var name strings.Builder
	if root == ir.Data {
		name.WriteString("data")
	}
	for _, k := range keys {
		name.WriteByte(0)
		name.WriteString(k.Value.String()) // quoted, so that the zero byte is not in it
	}
	n, known := l.paths[name.String()]
	if !known {
		n = len(l.paths)
		l.paths[name.String()] = n
		l.program.paths = len(l.paths)
	}
	return n
}
