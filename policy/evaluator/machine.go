package evaluator

import (
	"context"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// statement does one thing to the variables of a function call.
type statement func(m *machine, f frame) code

// code is how a statement ended: next, or how many blocks to leave, or one of
// the larger codes that end a function.
type code int

const (
	next code = 0
	// undefined leaves the innermost block.
	undefined code = 1
	// found ends a function whose result can't change any more.
	found code = 1 << 29
	// failed ends the evaluation; the machine holds the error.
	failed code = 1 << 30
)

// block is statements that are run until one of them is not defined.
type block []statement

func (b block) run(m *machine, f frame) code {
	for _, s := range b {
		if c := s(m, f); c != next {
			return c
		}
	}
	return next
}

// runBlocks runs one block after the other, each until it is undefined.
func runBlocks(blocks []block, m *machine, f frame) code {
	for _, b := range blocks {
		if c := b.run(m, f); c > undefined {
			if c < found {
				c--
			}
			return c
		}
	}
	return next
}

// machine is the state of one evaluation. It goes back to its pool empty.
type machine struct {
	program *outline
	indexes []*ruleIndex
	ctx     context.Context //nolint:containedctx // it lives as long as one call of Evaluate
	now     time.Time
	steps   uint
	// err is why the evaluation failed, once a statement returned failed.
	err    error
	result *ast.Term

	frames
	memos
	collector

	// data are the base documents that no modifier has replaced.
	data *ast.Term
	// document is the input, nil where it is a term.
	document Document
	lookup   lookup

	// grown are the objects of the running function whose parts grew.
	grown []*ast.Term

	// sinks are those of the rules that are streamed; the running rule sends to the one
	// at index sink.
	sinks []sink
	sink  int

	builtins builtinState
}

// outline is what a machine knows of its program.
type outline struct {
	sizes
	capabilities *ast.Capabilities
	// inputPaths are those of input among the paths, by their last name.
	inputPaths map[string][]inputPath
}

// inputPath is a path of names from the input on, and its index in memo.paths.
type inputPath struct {
	names []string
	at    int
}

// lookup is what OPA's index of a rule is looked up with.
type lookup struct {
	input, data *ast.Term
	args        []*ast.Term
}

// sink is where a streamed rule sends its elements.
type sink struct {
	frame frame // of the rule that loops
	loop  *streamLoop
	outer int // the sink that was current before, and is while the body runs
}

// streamLoop is the body of a loop over streamed elements.
type streamLoop struct {
	value int // the variable for an element
	body  block
	// parts are the variables for the elements of an array, if the body takes
	// arrays of this length apart, and rest is the body after that.
	parts []int
	rest  block
}

func newMachine(program *outline, indexes []*ruleIndex) *machine {
	m := &machine{program: program, indexes: indexes, frames: newFrames(), memos: memos{sizes: program.sizes}}
	m.builtins.collect = m.builtins.receive
	return m
}

func (m *machine) start(ctx context.Context, now time.Time, input, data *ast.Term) {
	m.ctx, m.now, m.data = ctx, now, data
	m.memo = m.take(input, data, nil)
}

// reset clears everything that came from the evaluation: nothing of one request may
// reach the next. Frames were cleared as their functions returned.
func (m *machine) reset() {
	for m.memo != nil {
		m.release()
	}
	m.ctx, m.data, m.document, m.err, m.result = nil, nil, nil, nil, nil
	m.chunk, m.top, m.steps = 0, 0, 0
	m.lookup = lookup{}
	clear(m.sinks[:cap(m.sinks)])
	m.sinks, m.sink = m.sinks[:0], 0
	m.clearCollected()
	clear(m.grown[:cap(m.grown)])
	m.grown = m.grown[:0]
	m.builtins.clear()
}

// fail ends the evaluation with err.
func (m *machine) fail(err error) code {
	m.err = err
	return failed
}

// pollEvery is the number of steps between two checks of the context.
const pollEvery = 256

// step counts the work done and reports failed when the context has ended.
func (m *machine) step() code {
	m.steps++
	// The context itself is checked: no goroutine waits for its end.
	if m.steps%pollEvery != 0 || m.ctx.Err() == nil {
		return next
	}
	return m.fail(cancelled(m.ctx))
}

func cancelled(ctx context.Context) error {
	err := ctx.Err()
	return (&topdown.Error{Code: topdown.CancelErr, Message: err.Error()}).Wrap(err)
}

// operand is a variable, or a constant when value is set.
type operand struct {
	slot  int
	value *ast.Term
}

// in is the operand's term in f, nil when it is undefined.
func (o operand) in(f frame) *ast.Term {
	if o.value != nil {
		return o.value
	}
	return f[o.slot]
}
