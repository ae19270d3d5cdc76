package evaluator

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// machine is the state of one evaluation. It goes back to its pool empty.
type machine struct {
	program *program
	indexes []*ruleIndex
	ctx     context.Context //nolint:containedctx // it lives as long as one call of Evaluate
	now     time.Time
	steps   uint
	// err is why the evaluation failed, once a statement returned failed.
	err    error
	result *ast.Term

	chunks [][]*ast.Term
	chunk  int
	top    int

	// data are the base documents that no modifier has replaced.
	data *ast.Term
	// document is the input, nil where it is a term.
	document Document

	memo   *memo
	spare  []*memo
	lookup ruleResolver

	// grown are the objects of the running function whose parts grew.
	grown []*ast.Term

	// collected are the elements that the running functions put aside, those of
	// the innermost from collecting on.
	collected  []*ast.Term
	collecting int

	// sinks are those of the rules that are streamed, sink the one that the
	// running rule sends to.
	sinks []sink
	sink  int

	builtins builtinState
}

// errUnplanned stands for a case that a plan leaves open. Like any error, it
// leads to the interpreter.
var errUnplanned = errors.New("not decided by the plan")

// frameChunk is how many variables are allocated at once.
const frameChunk = 1024

func newMachinePool(p *program, indexes []*ruleIndex) *sync.Pool {
	return &sync.Pool{New: func() any {
		m := &machine{program: p, indexes: indexes, chunks: [][]*ast.Term{make([]*ast.Term, frameChunk)}}
		m.builtins.collect = m.builtins.receive
		return m
	}}
}

func (m *machine) start(ctx context.Context, now time.Time, input, data *ast.Term) {
	m.ctx, m.now, m.data = ctx, now, data
	m.memo = m.takeMemo(input, data, nil)
}

// reset drops everything that came from the evaluation, so that nothing of one
// request reaches the next. Frames were cleared as their functions returned.
func (m *machine) reset() {
	for m.memo != nil {
		m.releaseMemo()
	}
	m.ctx, m.data, m.document, m.err, m.result = nil, nil, nil, nil, nil
	m.chunk, m.top, m.steps = 0, 0, 0
	m.lookup.clear()
	clear(m.sinks[:cap(m.sinks)])
	m.sinks, m.sink = m.sinks[:0], 0
	clear(m.collected[:cap(m.collected)])
	m.collected, m.collecting = m.collected[:0], 0
	clear(m.grown[:cap(m.grown)])
	m.grown = m.grown[:0]
	m.builtins.clear()
}

// fail ends the evaluation with err.
func (m *machine) fail(err error) code {
	m.err = err
	return failed
}

// pollEvery is how many steps pass between two looks at the context.
const pollEvery = 256

// step counts the work done and reports failed when the context has ended.
func (m *machine) step() code {
	m.steps++
	// A context is asked, since there may be none to wait for its end.
	if m.steps%pollEvery != 0 || m.ctx.Err() == nil {
		return next
	}
	return m.fail(cancelled(m.ctx))
}

func cancelled(ctx context.Context) error {
	err := ctx.Err()
	return (&topdown.Error{Code: topdown.CancelErr, Message: err.Error()}).Wrap(err)
}

// frame is the variables of one function call, by their number in the plan.
// nil is undefined.
type frame = []*ast.Term

// push makes room for a call and says where to return to.
func (m *machine) push(size int) (f frame, chunk, top int) {
	chunk, top = m.chunk, m.top
	if m.top+size > len(m.chunks[m.chunk]) {
		m.grow(size)
	}
	f = m.chunks[m.chunk][m.top : m.top+size : m.top+size]
	m.top += size
	return f, chunk, top
}

// grow goes on in the next chunk: those in use stay where they are.
func (m *machine) grow(size int) {
	m.chunk, m.top = m.chunk+1, 0
	if m.chunk == len(m.chunks) {
		m.chunks = append(m.chunks, make([]*ast.Term, max(size, frameChunk)))
	} else if len(m.chunks[m.chunk]) < size {
		m.chunks[m.chunk] = make([]*ast.Term, size)
	}
}

func (m *machine) pop(f frame, chunk, top int) {
	clear(f)
	m.chunk, m.top = chunk, top
}
