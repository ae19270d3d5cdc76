// Package policyfiles measures how long loading and deciding take with more and
// more policy files.
package policyfiles

import (
	"context"
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// result is what so many more policy files cost.
type result struct {
	files int
	// load and decide are microseconds: to compile them all, and for one uncached
	// authorization decision.
	load, decide report.Figure
}

// measure measures the starter policies with so many files beside them, each with
// a rule that denies something in a namespace of its own.
func measure(ctx context.Context, counts []int, turns inprocess.Turns, seed uint64) ([]result, error) {
	company, err := generate.NewCompany(generate.Size{Users: 100, Bindings: 100, Namespaces: bench.Namespaces}, seed)
	if err != nil {
		return nil, err
	}
	source := generate.NewDecisions(company, seed)
	var reviews []inprocess.Review
	for range inprocess.Decisions {
		decoded, err := inprocess.DecodeReview(source.Next())
		if err != nil {
			return nil, err
		}
		reviews = append(reviews, decoded)
	}
	var operations []inprocess.Operation
	for _, count := range counts {
		files, err := generate.PolicyFiles(company)
		if err != nil {
			return nil, err
		}
		files = append(files, generate.MorePolicyFiles(count)...)
		compiled, err := inprocess.Compile(ctx, files)
		if err != nil {
			return nil, err
		}
		load := func(ctx context.Context, _ uint64) error {
			_, err := inprocess.Compile(ctx, files)
			return err
		}
		operations = append(operations,
			inprocess.Operation{Name: fmt.Sprint("load, ", count), Pass: load, Calls: 1},
			inprocess.Operation{Name: fmt.Sprint("decide, ", count), Pass: compiled.AuthorizeAll(reviews), Calls: len(reviews)})
	}
	figures, err := turns.Take(ctx, operations)
	if err != nil {
		return nil, err
	}
	results := make([]result, len(counts))
	for i, count := range counts {
		results[i] = result{files: count, load: figures[operations[2*i].Name], decide: figures[operations[2*i+1].Name]}
	}
	return results, nil
}

// growing are how many policy files there are beside the starter policies.
var growing = []int{1, 10, 100, 1000}

// Add measures loading and deciding by the number of policy files.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	fmt.Fprintln(b.Progress, "in process: policy files")
	results, err := measure(ctx, growing, inprocess.ShortTurns(b, 2*len(growing)), b.Seed)
	if err != nil {
		return err
	}
	addCurves(results, made)
	return nil
}
