// Package evaluators compares compiled rules with OPA's interpreter.
package evaluators

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	opacache "github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/policy/evaluator"
)

// result is rules on inputs that were parsed already, compiled and by OPA's
// interpreter.
type result struct {
	name, about string
	// compiled and interpreter are microseconds for one evaluation of each of the
	// rules on one input.
	compiled, interpreter report.Figure
	// allocations is how many one evaluation takes, compiled.
	allocations float64
}

// evaluation is rules and the inputs that they are evaluated on.
type evaluation struct {
	name, about string
	compiler    *ast.Compiler
	data        ast.Object
	rules       []string
	inputs      []ast.Value
}

// Add measures compiled rules and OPA's interpreter.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	fmt.Fprintln(b.Progress, "in one process: evaluators")
	const operations = 40 // about
	decided, err := measureDecided(ctx, decidedBindings, inprocess.ShortTurns(b, operations), b.Seed)
	if err != nil {
		return err
	}
	shipped, err := measureShipped(ctx, b.Root, inprocess.ShortTurns(b, operations))
	if err != nil {
		return err
	}
	addResults(decided, shipped, made)
	return addUnseen(ctx, b, made)
}

// measureDecided measures decisions over bindings, and shapes of policies that are
// easily slow.
func measureDecided(ctx context.Context, bindings int, turns inprocess.Turns, seed uint64) ([]result, error) {
	evaluations, err := accessEvaluations(ctx, bindings, seed)
	if err != nil {
		return nil, err
	}
	shapes, err := shapeEvaluations()
	if err != nil {
		return nil, err
	}
	return measure(ctx, append(evaluations, shapes...), turns)
}

// measure measures evaluations. Both evaluators have to agree on each.
func measure(ctx context.Context, evaluations []evaluation, turns inprocess.Turns) ([]result, error) {
	var operations []inprocess.Operation
	results := make([]result, len(evaluations))
	for i, e := range evaluations {
		results[i].name, results[i].about = e.name, e.about
		compiled, interpreter, err := e.operations(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		if results[i].allocations, err = allocations(ctx, compiled); err != nil {
			return nil, err
		}
		operations = append(operations, compiled, interpreter)
	}
	figures, err := turns.Take(ctx, operations)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].compiled = figures[operations[2*i].Name]
		results[i].interpreter = figures[operations[2*i+1].Name]
	}
	return results, nil
}

// operations are one evaluation of each rule on each input, by both evaluators.
func (e *evaluation) operations(ctx context.Context) (compiled, interpreter inprocess.Operation, err error) {
	// As in a revision, compiled patterns are kept from one evaluation to the next.
	values := opacache.NewInterQueryValueCache(ctx, nil)
	var ours, theirs []evaluator.Evaluator
	for _, rule := range e.rules {
		ref, err := ast.ParseRef(rule)
		if err != nil {
			return compiled, interpreter, fmt.Errorf("%s: %w", rule, err)
		}
		i, err := evaluator.NewInterpreter(e.compiler, ref, values, false)
		if err != nil {
			return compiled, interpreter, err
		}
		c, err := evaluator.NewCompiled(ctx, e.compiler, ref, values, nil)
		if err != nil {
			return compiled, interpreter, err
		}
		if err := e.agree(ctx, rule, c, i); err != nil {
			return compiled, interpreter, err
		}
		ours, theirs = append(ours, c), append(theirs, i)
	}
	return inprocess.Operation{Name: "compiled, " + e.name, Pass: e.pass(ours), Calls: len(e.inputs)},
		inprocess.Operation{Name: "interpreter, " + e.name, Pass: e.pass(theirs), Calls: len(e.inputs)}, nil
}

// agree returns an error where the evaluators of rule differ.
func (e *evaluation) agree(ctx context.Context, rule string, compiled, interpreter evaluator.Evaluator) error {
	for _, input := range e.inputs {
		query := evaluator.Query{Input: input, Data: e.data, Now: time.Now()}
		got, gotErr := compiled.Evaluate(ctx, query)
		want, wantErr := interpreter.Evaluate(ctx, query)
		if errorText(gotErr) != errorText(wantErr) || !equal(got.Value, want.Value) {
			return fmt.Errorf("%s: compiled %v and error %q, interpreted %v and error %q", rule, got.Value, errorText(gotErr), want.Value, errorText(wantErr))
		}
	}
	return nil
}

func (e *evaluation) pass(evaluators []evaluator.Evaluator) func(context.Context, uint64) error {
	return func(ctx context.Context, _ uint64) error {
		now := time.Now()
		for _, input := range e.inputs {
			for _, one := range evaluators {
				if _, err := one.Evaluate(ctx, evaluator.Query{Input: input, Data: e.data, Now: now}); topdown.IsCancel(err) {
					return err
				}
			}
		}
		return nil
	}
}

func equal(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Compare(b) == 0
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// allocations counts those of one call of operation.
func allocations(ctx context.Context, operation inprocess.Operation) (float64, error) {
	const passes = 16
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range passes {
		if err := operation.Pass(ctx, 0); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / passes / float64(operation.Calls), nil
}

// compileModules compiles Rego files by their names.
func compileModules(sources map[string]string) (*ast.Compiler, error) {
	compiler, err := ast.CompileModulesWithOpt(sources, ast.CompileOpts{ParserOptions: ast.ParserOptions{RegoVersion: ast.RegoV1}})
	if err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	return compiler, nil
}
