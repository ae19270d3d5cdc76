package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// Callers often need one key of a rule that fills a set or an object. OPA's interpreter
// then evaluates only what gives this key, and so do programs the first time: the wanted
// key lies in the frame, and elements under other keys are skipped.

// skipUnwanted is a statement that leaves the block when key is not the wanted one.
func (sc *scope) skipUnwanted(key operand) statement {
	wanted := sc.function.wanted
	return func(m *machine, f frame) code {
		if w := f[wanted]; w != nil {
			if k := key.in(f); k != nil && !k.Equal(w) {
				if alike(k, w) {
					return m.fail(errNumberAsKey)
				}
				return undefined
			}
		}
		return next
	}
}

// declareWanted gives a variable for the wanted key to the functions that can evaluate only
// what gives one key.
func declareWanted(p *planner, _ *builder) {
	for _, fn := range p.policy.Funcs.Funcs {
		planned := p.planned[fn.Name]
		if planned.layout.AddsOneElement(fn) {
			variables := append([]ir.Local{fn.Return}, fn.Params...)
			planned.function.wanted = plan.FrameSize(fn.Blocks, variables...)
		}
	}
}

// beginWanted records which variable is the key of the definition's element, so that an
// unwanted element is skipped as soon as its key is known: a constant key at once.
func beginWanted(sc *scope, b *ir.Block) statement {
	if sc.function.wanted == 0 {
		return nil
	}
	keys := plan.ElementKeys([]*ir.Block{b}, ir.Local(sc.function.result))
	if len(keys) != 1 || keys[0].Value == nil {
		return nil
	}
	key := sc.operand(keys[0])
	if key.value != nil {
		return sc.skipUnwanted(key)
	}
	if sc.Writes[ir.Local(key.slot)] == 1 {
		sc.key = ir.Local(key.slot)
	}
	return nil
}

// boundWanted is what follows where the key gets its value.
func boundWanted(sc *scope, v ir.Local) statement {
	if sc.key < 0 || v != sc.key {
		return nil
	}
	return sc.skipUnwanted(sc.local(sc.key))
}

// lowerLookup is the form for a call of a rule and the reference to one key of its result.
func lowerLookup(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	call, ok := stmts[0].(*ir.CallStmt)
	if !ok || sc.planned[call.Func] == nil || len(stmts) < 2 || sc.Uses[call.Result] != 1 {
		return nil, 0
	}
	fn := sc.planned[call.Func].function
	if fn.wanted == 0 {
		return nil, 0
	}
	dot, ok := stmts[1].(*ir.DotStmt)
	if !ok || dot.Source.Value != call.Result || dot.Key.Value == call.Result {
		return nil, 0
	}
	args, key, target := sc.operands(call.Args), sc.operand(dot.Key), int(dot.Target)
	return func(m *machine, f frame) code {
		k := key.in(f)
		if k == nil {
			return undefined
		}
		v, c := fn.get(m, f, args, k)
		if c != next {
			return c
		}
		f[target] = v
		if v == nil {
			return undefined
		}
		return next
	}, 2
}

// get is the element of fn's result under key. From the second key on, it evaluates all of
// the result.
func (fn *function) get(m *machine, caller frame, args []operand, key *ast.Term) (*ast.Term, code) {
	known := &m.memo.rules[fn.rule]
	if !known.known && (known.key == nil || known.key.Equal(key)) {
		if known.key == nil {
			v, c := fn.runFor(m, caller, args, key)
			if c != next {
				return nil, c
			}
			known.key, known.value = key, v
		}
		return elementOf(known.value, key), next
	}
	v, c := fn.call(m, caller, args)
	if c != next {
		return nil, c
	}
	element := elementOf(v, key)
	if element == nil && hasAlike(v, key) {
		return nil, m.fail(errNumberAsKey)
	}
	return element, next
}

// runFor runs fn for the element under key.
func (fn *function) runFor(m *machine, caller frame, args []operand, key *ast.Term) (*ast.Term, code) {
	if c := m.step(); c != next {
		return nil, c
	}
	f, chunk, top := m.push(fn.size)
	for i, p := range fn.params {
		f[p] = args[i].in(caller)
	}
	f[fn.wanted] = key
	c := fn.run(m, f)
	result := f[fn.result]
	m.pop(f, chunk, top)
	return result, c
}
