package evaluator

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowerPath is the form for a reference such as input.spec.user: one statement, which
// remembers what it found for as long as input and data stay the same.
func lowerPath(sc *scope, stmts []ir.Stmt) (s statement, used int) {
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
		if !ok || dot.Source.Value != target || (used > 0 && (sc.Uses[target] != 1 || sc.Writes[target] != 1)) {
			break
		}
		name, ok := dot.Key.Value.(ir.StringIndex)
		if !ok {
			break
		}
		keys = append(keys, sc.string(int(name)))
		target = dot.Target
		used++
	}
	if used == 0 {
		return nil, 0
	}
	if root == ir.Data {
		return sc.dataPath(keys, target), used
	}
	at, slot := sc.pathIndex(root, keys), int(target)
	names := namesOf(keys)
	return func(m *machine, f frame) code {
		v := m.inputAt(at, names, keys)
		f[slot] = v
		if v == nil {
			return undefined
		}
		return next
	}, used
}

// dataPath lowers a reference to data by names.
func (sc *scope) dataPath(keys []*ast.Term, target ir.Local) statement {
	slot, open := int(target), sc.Open[target]
	at := sc.indexOf("data", ir.Data, keys)
	if open {
		at = sc.indexOf("layers", ir.Data, keys) // which remembers what is not complete
	}
	return func(m *machine, f frame) code {
		known := &m.memo.paths[at]
		if !known.known {
			v := m.memo.data
			for _, k := range keys {
				if v == nil {
					break
				}
				if foundByName(v, k) {
					return m.fail(errNumberAsKey)
				}
				v = part(v, k)
			}
			if !open {
				v = complete(v)
			}
			known.known, known.value = true, v
		}
		f[slot] = known.value
		if known.value == nil {
			return undefined
		}
		return next
	}
}

// pathIndex is the index of a path of input among those that a memo remembers.
func (sc *scope) pathIndex(root ir.Local, keys []*ast.Term) int {
	return sc.indexOf("", root, keys)
}

func (sc *scope) indexOf(kind string, root ir.Local, keys []*ast.Term) int {
	var name strings.Builder
	name.WriteString(kind)
	for _, k := range keys {
		name.WriteByte(0)
		name.WriteString(k.Value.String()) // quoted, so that the zero byte is not in it
	}
	n, known := sc.paths[name.String()]
	if !known {
		n = len(sc.paths)
		sc.paths[name.String()] = n
		sc.program.paths = len(sc.paths)
		if root == ir.Input {
			names := namesOf(keys)
			last := names[len(names)-1]
			sc.program.inputPaths[last] = append(sc.program.inputPaths[last], inputPath{names: names, at: n})
		}
	}
	return n
}
