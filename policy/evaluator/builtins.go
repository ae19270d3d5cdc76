package evaluator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// builtinState is what the builtins of one evaluation share.
type builtinState struct {
	values   cache.InterQueryValueCache
	ready    bool
	context  topdown.BuiltinContext
	stop     func() bool
	operands []*ast.Term
	text     []byte
	texts    texts

	// collect receives the outputs of the builtin that runs.
	collect  func(*ast.Term) error
	output   *ast.Term
	outputs  []*ast.Term
	relation bool
	twice    bool
}

var errManyOutputs = errors.New("a builtin function gave two values")

func (b *builtinState) receive(t *ast.Term) error {
	switch {
	case b.relation:
		b.outputs = append(b.outputs, t)
	case b.output != nil:
		b.twice = true
	default:
		b.output = t
	}
	return nil
}

// prepare fills in what the whole evaluation has in common, once a builtin asks
// for it: one time, one cache, and a flag that ends with the context.
func (b *builtinState) prepare(m *machine) {
	cancel := topdown.NewCancel()
	b.stop = context.AfterFunc(m.ctx, cancel.Cancel)
	b.context = topdown.BuiltinContext{
		Context:                     m.ctx,
		Metrics:                     metrics.NoOp(),
		Seed:                        rand.Reader,
		Time:                        ast.NewTerm(ast.Number(json.Number(strconv.FormatInt(m.now.UnixNano(), 10)))),
		Cancel:                      cancel,
		Cache:                       builtins.Cache{},
		InterQueryBuiltinValueCache: b.values,
		Capabilities:                m.program.capabilities,
		RequestMetadata:             map[string]any{},
	}
	b.ready = true
}

func (b *builtinState) clear() {
	if b.stop != nil {
		b.stop()
	}
	clear(b.operands[:cap(b.operands)])
	clear(b.text[:cap(b.text)])
	*b = builtinState{operands: b.operands[:0], text: b.text[:0], collect: b.collect}
}

// callBuiltin lowers a call of a function that OPA has built in.
func (l *lowering) callBuiltin(s *ir.CallStmt, args []operand) statement {
	if inline := l.inline(s, args); inline != nil {
		return inline
	}
	call, ok := l.builtin(s, args)
	if !ok {
		return l.refuse("there is no function %s", s.Func)
	}
	return call
}

// builtin lowers a call of OPA's own implementation.
func (l *lowering) builtin(s *ir.CallStmt, args []operand) (statement, bool) {
	decl := ast.BuiltinMap[s.Func]
	implementation := topdown.GetBuiltin(s.Func)
	if decl == nil || implementation == nil || l.builtins[s.Func] == nil {
		return nil, false
	}
	l.program.lengthy = l.program.lengthy || !prompt[s.Func]
	call := &builtinCall{
		decl:     decl,
		run:      implementation,
		args:     args,
		result:   int(s.Result),
		void:     decl.Decl.Result() == nil,
		location: l.location(s.GetLocation()),
	}
	return call.statement, true
}

// prompt are the builtin functions of OPA's that take little longer than it takes to
// read their operands and write their result. Those that are inlined are, too. Not
// among them are those that compare each character of one text with all of another:
// indexof, trim, trim_left and trim_right.
var prompt = func() map[string]bool {
	out := map[string]bool{}
	for _, b := range []*ast.Builtin{
		ast.Abs, ast.And, ast.ArrayConcat, ast.ArraySlice, ast.Ceil, ast.Concat, ast.Divide, ast.Floor, ast.FormatInt,
		ast.Lower, ast.Max, ast.MemberWithKey, ast.Min, ast.Minus, ast.Multiply, ast.ObjectKeys, ast.ObjectRemove, ast.ObjectUnion,
		ast.Or, ast.Plus, ast.Rem, ast.Round, ast.Sort, ast.Split, ast.Sprintf, ast.Substring, ast.Sum, ast.ToNumber,
		ast.TrimPrefix, ast.TrimSpace, ast.TrimSuffix, ast.TypeNameBuiltin, ast.Upper,
	} {
		out[b.Name] = true
	}
	return out
}()

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
			return m.fail(errUnplanned)
		}
		b.operands = append(b.operands, v)
	}
	var ctx topdown.BuiltinContext
	if !call.decl.CanSkipBctx {
		if !b.ready {
			b.prepare(m)
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
