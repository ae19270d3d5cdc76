package evaluator

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	// All evaluators call the functions that sandbox puts into OPA's table.
	_ "github.com/verdict-dev/verdict/policy/evaluator/sandbox"
)

// Interpreter evaluates with OPA's topdown.
type Interpreter struct {
	compiler *ast.Compiler
	query    ast.Body
	values   cache.InterQueryValueCache
	timed    bool
}

// NewInterpreter prepares the rule at ref, such as
// data.kubernetes.authorization.allow. values is OPA's inter-query value cache
// (compiled regular expressions, globs, schemas), shared by the rules of a
// revision. timed says that the rule may reach data.lib.time.active.
func NewInterpreter(compiler *ast.Compiler, ref ast.Ref, values cache.InterQueryValueCache, timed bool) (*Interpreter, error) {
	body := ast.NewBody(ast.Equality.Expr(ast.VarTerm(resultVar), ast.NewTerm(ref)))
	query, err := compiler.QueryCompiler().Compile(body)
	if err != nil {
		return nil, fmt.Errorf("preparing %v: %w", ref, err)
	}
	return &Interpreter{compiler: compiler, query: query, values: values, timed: timed}, nil
}

const resultVar = "result"

// Compiler has the rules that the interpreter evaluates. It is only read.
func (i *Interpreter) Compiler() *ast.Compiler { return i.compiler }

// Evaluate implements Evaluator.
func (i *Interpreter) Evaluate(ctx context.Context, query Query) (Result, error) {
	return i.evaluate(ctx, query, nil)
}

// Trace is Evaluate, and passes every step to tracer. It also evaluates the rules that
// OPA's index excludes, and so may meet errors that Evaluate does not.
func (i *Interpreter) Trace(ctx context.Context, query Query, tracer topdown.QueryTracer) (Result, error) {
	return i.evaluate(ctx, query, tracer)
}

func (i *Interpreter) evaluate(ctx context.Context, query Query, tracer topdown.QueryTracer) (result Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = Result{}, &topdown.Error{Code: topdown.InternalErr, Message: fmt.Sprintf("evaluation panicked: %v", r)}
		}
	}()

	// topdown polls this flag; a context alone would not stop it.
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	if ctx.Err() != nil {
		return Result{}, &topdown.Error{Code: topdown.CancelErr, Message: "the deadline passed before evaluation began"}
	}

	q := topdown.NewQuery(i.query).
		WithCompiler(i.compiler).
		WithStore(snapshot{data: query.Data}).
		WithTransaction(noTransaction{}).
		WithInput(ast.NewTerm(query.Decoded().Input)).
		WithTime(query.Now).
		WithCancel(cancel).
		WithStrictBuiltinErrors(true).
		WithInterQueryBuiltinValueCache(i.values)
	if tracer != nil {
		q = q.WithQueryTracer(tracer).WithIndexing(false)
	}
	var watched *watchedCache
	if i.timed {
		watched = &watchedCache{VirtualCache: topdown.NewVirtualCache(), now: query.Now}
		q = q.WithVirtualCache(watched)
	}

	err = q.Iter(ctx, func(qr topdown.QueryResult) error {
		if term, ok := qr[ast.Var(resultVar)]; ok {
			result.Value = term.Value
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	if watched != nil {
		result.Until = watched.until
	}
	return result, nil
}
