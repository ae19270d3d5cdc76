package evaluator

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// Interpreter evaluates with OPA's topdown.
type Interpreter struct {
	compiler *ast.Compiler
	store    storage.Store
	query    ast.Body
	values   cache.InterQueryValueCache
}

// NewInterpreter prepares the rule at ref, such as
// data.kubernetes.authorization.allow. values is OPA's inter-query value cache
// (compiled regular expressions, globs, schemas), shared by the rules of a revision.
func NewInterpreter(compiler *ast.Compiler, store storage.Store, ref ast.Ref, values cache.InterQueryValueCache) (*Interpreter, error) {
	body := ast.NewBody(ast.Equality.Expr(ast.VarTerm(resultVar), ast.NewTerm(ref)))
	query, err := compiler.QueryCompiler().Compile(body)
	if err != nil {
		return nil, fmt.Errorf("preparing %v: %w", ref, err)
	}
	return &Interpreter{compiler: compiler, store: store, query: query, values: values}, nil
}

const resultVar = "result"

// Evaluate implements Evaluator.
func (i *Interpreter) Evaluate(ctx context.Context, input ast.Value) (result ast.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, &topdown.Error{Code: topdown.InternalErr, Message: fmt.Sprintf("evaluation panicked: %v", r)}
		}
	}()

	// topdown polls this flag; a context alone would not stop it.
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	if ctx.Err() != nil {
		return nil, &topdown.Error{Code: topdown.CancelErr, Message: "the deadline passed before evaluation began"}
	}

	txn, err := i.store.NewTransaction(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading policy data: %w", err)
	}
	defer i.store.Abort(ctx, txn)

	query := topdown.NewQuery(i.query).
		WithCompiler(i.compiler).
		WithStore(i.store).
		WithTransaction(txn).
		WithInput(ast.NewTerm(input)).
		WithCancel(cancel).
		WithStrictBuiltinErrors(true).
		WithInterQueryBuiltinValueCache(i.values)

	err = query.Iter(ctx, func(qr topdown.QueryResult) error {
		if term, ok := qr[ast.Var(resultVar)]; ok {
			result = term.Value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}
