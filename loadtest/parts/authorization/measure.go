// Package authorization measures one uncached authorization decision in process,
// beside kube-apiserver's RBAC authorizer.
package authorization

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// decision is what was measured with so many bindings.
type decision struct {
	bindings int
	// verdict and rbac are microseconds for one decision.
	verdict, rbac report.Figure
	// verdictHeap and rbacHeap are the bytes that policy and data take.
	verdictHeap, rbacHeap int64
	outcomes              map[string]int
}

// measure decides requests of companies with so many bindings, half of them
// cluster-wide, by verdict and by kube-apiserver's RBAC authorizer.
func measure(ctx context.Context, bindings []int, turns inprocess.Turns, seed uint64, progress io.Writer) ([]decision, error) {
	results := make([]decision, len(bindings))
	var operations []inprocess.Operation
	for i, count := range bindings {
		fmt.Fprintf(progress, "in process: %d bindings\n", count)
		results[i].bindings = count
		added, err := results[i].prepare(ctx, seed)
		if err != nil {
			return nil, fmt.Errorf("%d bindings: %w", count, err)
		}
		operations = append(operations, added...)
	}
	figures, err := turns.Take(ctx, operations)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].verdict = figures[operations[2*i].Name]
		results[i].rbac = figures[operations[2*i+1].Name]
	}
	return results, nil
}

// prepare returns the operations of verdict and then of RBAC.
func (d *decision) prepare(ctx context.Context, seed uint64) ([]inprocess.Operation, error) {
	company, err := generate.NewCompany(inprocess.CompanySize(d.bindings), seed)
	if err != nil {
		return nil, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return nil, err
	}
	before := inprocess.Heap()
	verdict, err := inprocess.Compile(ctx, files)
	if err != nil {
		return nil, err
	}
	between := inprocess.Heap()
	rbac, err := inprocess.NewRBAC(company.Access)
	if err != nil {
		return nil, err
	}
	d.verdictHeap, d.rbacHeap = between-before, inprocess.Heap()-between

	requests, err := inprocess.AgreedRequests(ctx, verdict, rbac, company, seed)
	if err != nil {
		return nil, err
	}
	var reviews []inprocess.Review
	var attributes []authorizer.Attributes
	d.outcomes = map[string]int{}
	for _, r := range requests {
		d.outcomes[string(r.Outcome)]++
		review, err := inprocess.DecodeReview(r.Text)
		if err != nil {
			return nil, err
		}
		reviews, attributes = append(reviews, review), append(attributes, r.Attributes)
	}
	return []inprocess.Operation{
		{Name: fmt.Sprint("verdict, ", d.bindings), Pass: verdict.AuthorizeAll(reviews), Calls: len(reviews)},
		inprocess.AuthorizeByRBAC(fmt.Sprint("RBAC, ", d.bindings), rbac, attributes),
	}, nil
}

// Add measures decisions by the number of role bindings.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	results, err := measure(ctx, growingBindings, inprocess.ShortTurns(b, 2*len(growingBindings)), b.Seed, b.Progress)
	if err != nil {
		return err
	}
	addResults(results, made)
	return nil
}
