package evaluator

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// Compiled evaluates OPA's plan of a rule as a tree of Go functions.
//
// Its result counts where evaluation meets no error. Where it meets one, the
// interpreter evaluates again and its result or error is returned: errors are rare,
// and so their code, message and location are always OPA's own. For this to be
// exact, a program evaluates all that the interpreter would, in the same order, and
// stops early only where the interpreter does. An error costs a second evaluation,
// and a second call of builtins such as http.send.
//
// The interpreter uses a function's result for 1 also for 1.0, once the result is
// known. A program does so only for calls that it looks up in a table.
type Compiled struct {
	program     *program
	values      cache.InterQueryValueCache
	interpreter *Interpreter
	machines    *sync.Pool
	// failures counts the evaluations in a row in which the program met an error.
	failures atomic.Uint32
}

// NewCompiled plans and compiles the rule at ref, such as
// data.kubernetes.authorization.allow. compiler and values are as for
// NewInterpreter. An error means that the rule needs the Interpreter, as does a
// rule that may reach data.lib.time.active.
//
// names are the terms for strings that data is likely to have as names of members:
// the program then shares them with data. They may be nil.
func NewCompiled(ctx context.Context, compiler *ast.Compiler, ref ast.Ref, values cache.InterQueryValueCache, names document.Names) (*Compiled, error) {
	interpreter, err := NewInterpreter(compiler, ref, values, false)
	if err != nil {
		return nil, err
	}
	return compile(ctx, interpreter, compiler, ref, values, names, passes)
}

// compile is NewCompiled with these optimisations only.
func compile(ctx context.Context, interpreter *Interpreter, compiler *ast.Compiler, ref ast.Ref, values cache.InterQueryValueCache, names document.Names, passes []pass) (*Compiled, error) {
	policy, err := plan.Of(ctx, compiler, ref, resultVar)
	if err != nil {
		return nil, err
	}
	grouped, err := groupedBy(compiler, ref)
	if err != nil {
		return nil, err
	}
	program, err := lower(policy, compiler, grouped, names, passes)
	if err != nil {
		return nil, fmt.Errorf("compiling %v: %w", ref, err)
	}
	return bind(program, interpreter, compiler, values)
}

// Over is the same program for compiler, whose rules behind the one at ref are
// equal to those that it was made of, in the same order (see
// footprint.Footprint.Fingerprints).
func (c *Compiled) Over(compiler *ast.Compiler, ref ast.Ref, values cache.InterQueryValueCache) (*Compiled, error) {
	interpreter, err := NewInterpreter(compiler, ref, values, false)
	if err != nil {
		return nil, err
	}
	return bind(c.program, interpreter, compiler, values)
}

func bind(program *program, interpreter *Interpreter, compiler *ast.Compiler, values cache.InterQueryValueCache) (*Compiled, error) {
	indexes, err := indexesOf(compiler, program.indexes)
	if err != nil {
		return nil, err
	}
	return &Compiled{program: program, values: values, interpreter: interpreter, machines: newMachinePool(program, indexes)}, nil
}

// Interpreter evaluates the same rule where the program does not.
func (c *Compiled) Interpreter() *Interpreter { return c.interpreter }

// Prompt reports whether Evaluate returns soon after its context has ended, whatever
// it does then. OPA's builtin functions do not check the time.
func (c *Compiled) Prompt() bool { return !c.program.lengthy }

// Evaluate implements Evaluator.
func (c *Compiled) Evaluate(ctx context.Context, query Query) (Result, error) {
	if n := c.failures.Load(); n >= failuresBeforeBackoff && c.failures.Add(1)%retryEvery != 0 {
		return c.interpreter.Evaluate(ctx, query)
	}
	value, err := c.run(ctx, query)
	switch {
	case err == nil:
		if c.failures.Load() > 0 {
			c.failures.Store(0)
		}
		return Result{Value: value}, nil
	case topdown.IsCancel(err):
		return Result{}, err
	}
	c.failures.Add(1)
	return c.interpreter.Evaluate(ctx, query)
}

const (
	// failuresBeforeBackoff is the number of failures in a row after which the program
	// is run only for one evaluation of retryEvery. So a policy that always fails takes
	// little longer than in the interpreter.
	failuresBeforeBackoff = 32
	// retryEvery is the number of evaluations for one of which it is then run.
	retryEvery = 64
)

// run executes the program. An error other than a cancellation is a reason, or a
// builtin function's error.
func (c *Compiled) run(ctx context.Context, query Query) (result ast.Value, err error) {
	if ctx.Err() != nil {
		return nil, &topdown.Error{Code: topdown.CancelErr, Message: "the deadline passed before evaluation began"}
	}
	m := c.machines.Get().(*machine)
	// A machine whose evaluation panicked is not used again.
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, errPanicked
		}
	}()
	m.builtins.values = c.values
	main := c.program.main
	f, chunk, top := m.push(main.size)
	if c.program.wholeInput || query.Document == nil {
		f[main.params[0]] = ast.NewTerm(query.Decoded().Input)
	} else {
		m.document = query.Document
	}
	f[main.params[1]] = ast.NewTerm(query.Data)
	m.start(ctx, query.Now, f[main.params[0]], f[main.params[1]])
	if main.run(m, f) == failed {
		err = m.err
	} else if m.result != nil {
		result = m.result.Value
	}
	m.pop(f, chunk, top)
	m.reset()
	c.machines.Put(m)
	return result, err
}
