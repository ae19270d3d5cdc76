package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

func (l *lowering) call(s *ir.CallStmt) statement {
	args, result := l.operands(s.Args), int(s.Result)
	if fn, ok := l.functions[s.Func]; ok {
		if len(args) == passedOn+fn.replaced && len(args) < len(fn.params) {
			// A reference that meets a function finds nothing.
			return func(*machine, frame) code { return undefined }
		}
		if len(args) != len(fn.params) {
			return l.refuse("%s is called with %d arguments", s.Func, len(args))
		}
		return func(m *machine, f frame) code {
			v, c := fn.call(m, f, args)
			if c != next {
				return c
			}
			f[result] = v
			if v == nil {
				return undefined
			}
			return next
		}
	}
	return l.callBuiltin(s, args)
}

// dynamicLevels is how many blocks an undefined result leaves: the plan puts a
// dynamic call into three, the reference to its data beside it.
const dynamicLevels = 4

// callDynamic calls the rule whose path is computed. Where there is none, the
// block beside it looks into data.
func (l *lowering) callDynamic(s *ir.CallDynamicStmt) statement {
	path, result := l.operands(s.Path), int(s.Result)
	args := make([]operand, len(s.Args))
	for i, a := range s.Args {
		args[i] = l.local(a)
	}
	return func(m *machine, f frame) code {
		node := m.program.dynamic
		for _, o := range path {
			name, ok := asString(o.in(f))
			if !ok {
				return undefined
			}
			if node = node.children[name]; node == nil {
				return undefined
			}
		}
		fn := node.function
		if fn == nil {
			return undefined
		}
		if fn.replaced > 0 {
			return m.fail(errUnplanned) // the plan passes no values here
		}
		if len(fn.params) > len(args) {
			return dynamicLevels // to a reference, a function is nothing
		}
		v, c := fn.call(m, f, args)
		if c != next {
			return c
		}
		f[result] = v
		if v == nil {
			return dynamicLevels
		}
		return next
	}
}

func asString(t *ast.Term) (string, bool) {
	if t == nil {
		return "", false
	}
	s, ok := t.Value.(ast.String)
	return string(s), ok
}
