package evaluators

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/parts/filter"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// against is the same work done by verdict and in another way, in microseconds.
type against struct {
	verdict, other report.Figure
}

// measureBytes measures verdict from the bytes of a SubjectAccessReview to its
// decision, and kube-apiserver's RBAC authorizer from its attributes. Nothing is
// kept, so that every review is one that was never seen.
func measureBytes(ctx context.Context, bindings int, turns inprocess.Turns, seed uint64) (against, error) {
	company, err := generate.NewCompany(inprocess.CompanySize(bindings), seed)
	if err != nil {
		return against{}, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return against{}, err
	}
	verdict, err := inprocess.Compile(ctx, files)
	if err != nil {
		return against{}, err
	}
	rbac, err := inprocess.NewRBAC(company.Access)
	if err != nil {
		return against{}, err
	}
	requests, err := inprocess.AgreedRequests(ctx, verdict, rbac, company, seed)
	if err != nil {
		return against{}, err
	}
	var attributes []authorizer.Attributes
	for _, r := range requests {
		attributes = append(attributes, r.Attributes)
	}
	return takeTwo(ctx, turns, inprocess.Operation{Name: "verdict", Calls: len(requests), Pass: func(ctx context.Context, _ uint64) error {
		for _, r := range requests {
			if _, err := verdict.AuthorizeText(ctx, r.Text); err != nil {
				return err
			}
		}
		return nil
	}}, inprocess.AuthorizeByRBAC("RBAC", rbac, attributes))
}

// measureUniqueNodes measures filter calls for pods never seen before, over nodes
// each a class of its own, compiled and by OPA's interpreter.
func measureUniqueNodes(ctx context.Context, count int, turns inprocess.Turns, seed uint64) (against, error) {
	nodes := generate.Nodes(count, seed)
	known, err := inprocess.NewNodes(nodes)
	if err != nil {
		return against{}, err
	}
	files, err := generate.PolicyFiles(&generate.Company{})
	if err != nil {
		return against{}, err
	}
	files = append(files, generate.HostnamePolicy())
	calls, _, err := generate.Placements(nodes, generate.NodeNames, generate.NewSpecs, filter.PodSpecs, seed)
	if err != nil {
		return against{}, err
	}
	var operations [2]inprocess.Operation
	for i, interpreterOnly := range []bool{false, true} {
		compiled, err := inprocess.CompileFor(ctx, files, interpreterOnly)
		if err != nil {
			return against{}, err
		}
		c := filter.Case{Nodes: count, Form: generate.NodeNames, Specs: generate.NewSpecs, Unique: true}
		if operations[i], _, err = filter.Operations(fmt.Sprint("interpreter only ", interpreterOnly), c, inprocess.NewHandler(compiled, known), calls, nodes); err != nil {
			return against{}, err
		}
	}
	return takeTwo(ctx, turns, operations[0], operations[1])
}

// measureChange measures the time from a changed file, one of so many, to the
// decisions by it, compiled and by OPA's interpreter.
func measureChange(ctx context.Context, count int, turns inprocess.Turns, seed uint64) (against, error) {
	company, err := generate.NewCompany(generate.Size{Users: 100, Bindings: 100, Namespaces: bench.Namespaces}, seed)
	if err != nil {
		return against{}, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return against{}, err
	}
	files = append(files, generate.MorePolicyFiles(count)...)
	var operations [2]inprocess.Operation
	for i, interpreterOnly := range []bool{false, true} {
		engine, err := inprocess.CompileFor(ctx, files, interpreterOnly)
		if err != nil {
			return against{}, err
		}
		operations[i] = inprocess.Operation{Name: fmt.Sprint("interpreter only ", interpreterOnly), Calls: 1, Pass: func(ctx context.Context, n uint64) error {
			changed := slices.Clone(files)
			last := &changed[len(changed)-1]
			last.Text = fmt.Appendf(slices.Clone(last.Text), "\ndeny contains \"change %d\" if input.spec.user == \"nobody\"\n", n)
			return engine.Load(ctx, changed)
		}}
	}
	return takeTwo(ctx, turns, operations[0], operations[1])
}

func takeTwo(ctx context.Context, turns inprocess.Turns, verdict, other inprocess.Operation) (against, error) {
	figures, err := turns.Take(ctx, []inprocess.Operation{verdict, other})
	return against{figures[verdict.Name], figures[other.Name]}, err
}
