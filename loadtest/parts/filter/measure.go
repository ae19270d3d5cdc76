// Package filter measures filter calls in process, beside encoding/json.
package filter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// Case is one kind of filter call.
type Case struct {
	Name  string
	Nodes int
	Form  generate.Form
	Specs generate.Specs
	// Unique makes the policy read a label that no two nodes share.
	Unique bool
	// DecodeOnly leaves encoding an answer out of what encoding/json does.
	DecodeOnly bool
}

// result is what one kind of call took.
type result struct {
	Case
	// bodyBytes is the mean length of a call.
	bodyBytes int
	// verdict is microseconds from a call to the answer of verdict's handler, json
	// those for decoding the call with encoding/json and, unless DecodeOnly, for
	// encoding an answer of the same shape.
	verdict, json report.Figure
}

// PodSpecs are how many pods a workload draws from: replicas of so many
// workloads are being placed.
const PodSpecs = 4

// measure measures the cases in turns. The answers of verdict are checked against
// the rules of the policy written out in Go.
func measure(ctx context.Context, cases []Case, turns inprocess.Turns, seed uint64) ([]result, error) {
	most := 0
	for _, c := range cases {
		most = max(most, c.Nodes)
	}
	nodes := generate.Nodes(most, seed)
	known, err := inprocess.NewNodes(nodes)
	if err != nil {
		return nil, err
	}
	files, err := generate.PolicyFiles(&generate.Company{})
	if err != nil {
		return nil, err
	}
	handlers := map[bool]http.Handler{}
	for _, c := range cases {
		if handlers[c.Unique] != nil {
			continue
		}
		with := files
		if c.Unique {
			with = append(with, generate.HostnamePolicy())
		}
		compiled, err := inprocess.Compile(ctx, with)
		if err != nil {
			return nil, err
		}
		handlers[c.Unique] = inprocess.NewHandler(compiled, known)
	}
	results := make([]result, len(cases))
	var operations []inprocess.Operation
	for i, c := range cases {
		calls, _, err := generate.Placements(nodes[:c.Nodes], c.Form, c.Specs, PodSpecs, seed)
		if err != nil {
			return nil, err
		}
		results[i] = result{Case: c, bodyBytes: calls.MeanBytes()}
		verdict, goJSON, err := Operations(fmt.Sprint(i), c, handlers[c.Unique], calls, nodes[:c.Nodes])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		operations = append(operations, verdict, goJSON)
	}
	figures, err := turns.Take(ctx, operations)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].verdict = figures[operations[2*i].Name]
		results[i].json = figures[operations[2*i+1].Name]
	}
	return results, nil
}

// Operations are those of verdict and of encoding/json. name is of these two alone.
func Operations(name string, c Case, handler http.Handler, calls *generate.Workload, nodes []corev1.Node) (verdict, goJSON inprocess.Operation, err error) {
	answers := make([]extenderv1.ExtenderFilterResult, len(calls.Samples))
	for n := range answers {
		body := calls.Body(nil, uint64(n))
		var out bytes.Buffer
		if err := inprocess.Serve(handler, calls.Path, body, &out); err != nil {
			return verdict, goJSON, err
		}
		if err := json.Unmarshal(out.Bytes(), &answers[n]); err != nil {
			return verdict, goJSON, fmt.Errorf("reading verdict's answer: %w", err)
		}
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(body, &args); err != nil {
			return verdict, goJSON, fmt.Errorf("reading a call: %w", err)
		}
		if err := checkFilter(args.Pod, nodes, answers[n]); err != nil {
			return verdict, goJSON, fmt.Errorf("call %d: %w", n, err)
		}
	}
	var buffer []byte
	verdict = inprocess.Operation{Name: "verdict, " + name, Calls: 1, Pass: func(_ context.Context, n uint64) error {
		// Beyond those that were checked: each call is new.
		buffer = calls.Body(buffer[:0], n+uint64(len(answers)))
		return inprocess.Serve(handler, calls.Path, buffer, &bytes.Buffer{})
	}}
	goJSON = inprocess.Operation{Name: "encoding/json, " + name, Calls: 1, Pass: func(_ context.Context, n uint64) error {
		buffer = calls.Body(buffer[:0], n)
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(buffer, &args); err != nil || c.DecodeOnly {
			return err
		}
		_, err := json.Marshal(answers[n%uint64(len(answers))])
		return err
	}}
	return verdict, goJSON, nil
}

// Add measures filter calls with -nodes nodes, and with a growing number of them.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	all, bounds := cases(b.Nodes)
	fmt.Fprintln(b.Progress, "in process: filter")
	results, err := measure(ctx, all, inprocess.ShortTurns(b, 2*len(all)), b.Seed)
	if err != nil {
		return err
	}
	addComparisons(results, bounds, made)
	all = nil
	for _, nodes := range growingNodes {
		all = append(all, names(nodes, generate.KnownSpecs), names(nodes, generate.NewSpecs))
	}
	if results, err = measure(ctx, all, inprocess.ShortTurns(b, 2*len(all)), b.Seed); err != nil {
		return err
	}
	addCurve(results, made)
	return nil
}
