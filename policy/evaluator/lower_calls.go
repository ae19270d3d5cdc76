package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

func (sc *scope) call(s *ir.CallStmt) statement {
	args, result := sc.operands(s.Args), int(s.Result)
	if planned := sc.planned[s.Func]; planned != nil {
		fn := planned.function
		if len(args) == plan.PassedOn+fn.replaced && len(args) < len(fn.params) {
			// A reference that meets a function finds nothing.
			return func(*machine, frame) code { return undefined }
		}
		if len(args) != len(fn.params) {
			return sc.refuse("%s is called with %d arguments", s.Func, len(args))
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
	call, ok := sc.builtinCall(s, args)
	if !ok {
		return sc.refuse("there is no function %s", s.Func)
	}
	return call
}

// dynamicLevels is how many blocks an undefined result leaves: the plan puts a
// dynamic call into three, the reference to its data beside it.
const dynamicLevels = 4

// callDynamic calls the rule whose path is computed. Where there is none, the
// block beside it looks into data.
func (sc *scope) callDynamic(s *ir.CallDynamicStmt) statement {
	path, result := sc.operands(s.Path), int(s.Result)
	args := make([]operand, len(s.Args))
	for i, a := range s.Args {
		args[i] = sc.local(a)
	}
	root := sc.program.dynamic
	return func(m *machine, f frame) code {
		node := root
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
			return m.fail(errReplacedFunction)
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
