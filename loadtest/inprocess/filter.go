package inprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// FilterCase is one kind of filter call.
type FilterCase struct {
	Name  string
	Nodes int
	Form  generate.Form
	Specs generate.Specs
	// Unique makes the policy read a label that no two nodes share.
	Unique bool
	// DecodeOnly leaves the encoding of an answer out of what encoding/json does.
	DecodeOnly bool
}

// Filter is what one took.
type Filter struct {
	FilterCase
	// BodyBytes is the mean length of a call.
	BodyBytes int
	// Verdict is microseconds for a call from its handler to the answer, JSON
	// those for decoding it with encoding/json and, unless DecodeOnly, encoding
	// an answer of the same shape.
	Verdict, JSON report.Figure
}

// podSpecs are how many pods a workload draws from: replicas of so many
// workloads are being placed.
const podSpecs = 4

// MeasureFilter measures the cases in turns. What verdict answers is checked
// against the policy's rules written out in Go.
func MeasureFilter(ctx context.Context, cases []FilterCase, turns Turns, seed uint64) ([]Filter, error) {
	most := 0
	for _, c := range cases {
		most = max(most, c.Nodes)
	}
	nodes := generate.Nodes(most, seed)
	known, err := newMemoryNodes(nodes)
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
		compiled, err := compile(ctx, with)
		if err != nil {
			return nil, err
		}
		handlers[c.Unique] = newHandler(compiled, known)
	}
	results := make([]Filter, len(cases))
	var contestants []contestant
	for i, c := range cases {
		calls, _, err := generate.Placements(nodes[:c.Nodes], c.Form, c.Specs, podSpecs, seed)
		if err != nil {
			return nil, err
		}
		results[i] = Filter{FilterCase: c, BodyBytes: calls.MeanBytes()}
		own, rival, err := filterContestants(fmt.Sprint(i), c, handlers[c.Unique], calls, nodes[:c.Nodes])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		contestants = append(contestants, own, rival)
	}
	figures, err := turns.take(ctx, contestants)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Verdict = figures[contestants[2*i].name]
		results[i].JSON = figures[contestants[2*i+1].name]
	}
	return results, nil
}

// filterContestants returns verdict and encoding/json.
func filterContestants(name string, c FilterCase, handler http.Handler, calls *generate.Workload, nodes []corev1.Node) (own, rival contestant, err error) {
	answers := make([]extenderv1.ExtenderFilterResult, len(calls.Samples))
	for n := range answers {
		body := calls.Body(nil, uint64(n))
		var out bytes.Buffer
		if err := serve(handler, calls.Path, body, &out); err != nil {
			return own, rival, err
		}
		if err := json.Unmarshal(out.Bytes(), &answers[n]); err != nil {
			return own, rival, fmt.Errorf("reading verdict's answer: %w", err)
		}
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(body, &args); err != nil {
			return own, rival, fmt.Errorf("reading a call: %w", err)
		}
		if err := checkFilter(args.Pod, nodes, answers[n]); err != nil {
			return own, rival, fmt.Errorf("call %d: %w", n, err)
		}
	}
	var buffer []byte
	own = contestant{"verdict, " + name, func(_ context.Context, n uint64) error {
		// Beyond those that were checked: each call is new.
		buffer = calls.Body(buffer[:0], n+uint64(len(answers)))
		return serve(handler, calls.Path, buffer, &bytes.Buffer{})
	}, 1}
	rival = contestant{"encoding/json, " + name, func(_ context.Context, n uint64) error {
		buffer = calls.Body(buffer[:0], n)
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(buffer, &args); err != nil || c.DecodeOnly {
			return err
		}
		_, err := json.Marshal(answers[n%uint64(len(answers))])
		return err
	}, 1}
	return own, rival, nil
}

// serve lets handler answer one call, without a network.
func serve(handler http.Handler, path string, body []byte, out *bytes.Buffer) error {
	request, err := http.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	w := response{header: http.Header{}, body: out}
	handler.ServeHTTP(&w, request)
	if w.status != 0 && w.status != http.StatusOK {
		return fmt.Errorf("answered %d: %.300s", w.status, out)
	}
	return nil
}

// response is an http.ResponseWriter.
type response struct {
	header http.Header
	status int
	body   *bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *response) Write(text []byte) (int, error) { return r.body.Write(text) }
