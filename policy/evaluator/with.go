package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// with replaces input or data, or a part of them, for as long as its block runs.
func (l *lowering) with(s *ir.WithStmt) statement {
	if s.Local != ir.Input && s.Local != ir.Data {
		return l.refuse("with replaces variable %d", s.Local)
	}
	slot, value := int(s.Local), l.operand(s.Value)
	path := make([]*ast.Term, len(s.Path))
	for i, name := range s.Path {
		path[i] = l.string(name)
	}
	var body block
	l.apart(func() { body = l.block(s.Block) })
	return func(m *machine, f frame) code {
		saved, v := f[slot], value.in(f)
		if v == nil {
			return m.fail(errUnplanned)
		}
		switch {
		case len(path) == 0:
		case slot == int(ir.Data):
			v = layered(saved, m.data, path, v)
		default:
			v = replaced(saved, path, v)
		}
		f[slot] = v
		before, fresh := m.enter(f[ir.Input], f[ir.Data])
		c := body.run(m, f)
		m.leave(before, fresh)
		f[slot] = saved
		if c <= undefined || c >= found {
			return c
		}
		return c - 1
	}
}

// replaced is root with value at path; root itself stays as it is. What is no object
// on the path gives way to one.
func replaced(root *ast.Term, path []*ast.Term, value *ast.Term) *ast.Term {
	if len(path) == 0 {
		return value
	}
	object := objectIn(root)
	if object == nil {
		object = noMembers
	}
	return ast.NewTerm(with(object, path[0], replaced(object.Get(path[0]), path[1:], value)))
}

var noMembers = ast.NewObject()
