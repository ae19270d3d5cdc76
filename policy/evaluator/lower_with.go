package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// with replaces input or data, or a part of them, for as long as its block runs.
func (sc *scope) with(s *ir.WithStmt) statement {
	if s.Local != ir.Input && s.Local != ir.Data {
		return sc.refuse("with replaces variable %d", s.Local)
	}
	slot, value := int(s.Local), sc.operand(s.Value)
	path := make([]*ast.Term, len(s.Path))
	for i, name := range s.Path {
		path[i] = sc.string(name)
	}
	body := sc.apart().block(s.Block)
	return func(m *machine, f frame) code {
		saved, v := f[slot], value.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
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
