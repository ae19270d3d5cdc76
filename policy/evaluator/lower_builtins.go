package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// builtinCall lowers a call of OPA's own implementation, false where there is none.
func (sc *scope) builtinCall(s *ir.CallStmt, args []operand) (statement, bool) {
	decl := ast.BuiltinMap[s.Func]
	implementation := topdown.GetBuiltin(s.Func)
	if decl == nil || implementation == nil || !sc.declared[s.Func] {
		return nil, false
	}
	sc.program.lengthy = sc.program.lengthy || !builtinOf(s.Func).prompt
	call := &builtinCall{
		decl:     decl,
		run:      implementation,
		args:     args,
		result:   int(s.Result),
		void:     decl.Decl.Result() == nil,
		location: sc.location(s.GetLocation()),
	}
	return call.statement, true
}

// builtinCall is a call of a function through OPA.
type builtinCall struct {
	decl     *ast.Builtin
	run      topdown.BuiltinFunc
	args     []operand
	result   int
	void     bool
	location *ast.Location
}

func (call *builtinCall) statement(m *machine, f frame) code {
	if c := m.step(); c != next {
		return c
	}
	b := &m.builtins
	b.operands = b.operands[:0]
	for _, a := range call.args {
		v := a.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		b.operands = append(b.operands, v)
	}
	var ctx topdown.BuiltinContext
	if !call.decl.CanSkipBctx {
		if !b.ready {
			b.prepare(m.ctx, m.now, m.program.capabilities)
		}
		ctx = b.context
	}
	ctx.Location = call.location
	b.relation = call.decl.Relation
	err := call.run(ctx, b.operands, b.collect)
	output, outputs, twice := b.output, b.outputs, b.twice
	b.output, b.outputs, b.twice = nil, nil, false
	switch {
	case err != nil:
		return m.fail(err)
	case twice:
		return m.fail(errManyOutputs)
	case call.void:
		return next
	case call.decl.Relation:
		output = ast.NewTerm(ast.NewArray(outputs...))
	}
	f[call.result] = output
	if output == nil {
		return undefined
	}
	return next
}
