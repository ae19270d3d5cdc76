package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/scheduler"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// part is something that a run measures beside the workloads over HTTP.
type part struct {
	name    string
	measure func(*bench, context.Context, *report.Report) error
}

// parts are in the order in which they are measured, the longest last.
var parts = []part{
	{"reload", (*bench).measureReloads},
	{"bad tokens", (*bench).measureFlood},
	{"tokens in process", (*bench).measureTokens},
	{"evaluator", (*bench).measureEvaluator},
	{"decide in process", (*bench).measureDecisions},
	{"filter in process", (*bench).measureFilter},
	{"policy files", (*bench).measurePolicies},
	{"cluster", (*bench).measureCluster},
	{"kube-scheduler", (*bench).measureScheduler},
}

// chooses reports whether one of the texts of -only is in the name.
func chooses(only, name string) bool {
	for text := range strings.SplitSeq(only, ",") {
		if strings.Contains(name, strings.TrimSpace(text)) {
			return true
		}
	}
	return false
}

// chosenParts are those that -only chooses, and the names of the others.
func chosenParts(only string) (chosen []part, left []string) {
	for _, p := range parts {
		if chooses(only, p.name) {
			chosen = append(chosen, p)
		} else {
			left = append(left, p.name)
		}
	}
	return chosen, left
}

const (
	rbac       = "RBAC"
	goJSON     = "encoding/json"
	inOne      = "In one process"
	throughput = "kube-scheduler's throughput"
)

// turns are shorter than over HTTP: there is nothing to settle.
func (b *bench) turns(contestants int) inprocess.Turns {
	return inprocess.Turns{Rounds: b.options.rounds, Duration: b.duration * 3 / time.Duration(max(contestants, 3))}
}

// growingBindings are what one decision is measured with.
var growingBindings = []int{100, 1000, 10000, 30000, 100000}

func (b *bench) measureDecisions(ctx context.Context, made *report.Report) error {
	results, err := inprocess.MeasureAuthorization(ctx, growingBindings, b.turns(2*len(growingBindings)), b.seed, b.progress)
	if err != nil {
		return err
	}
	times := report.Curve{
		Name: "One decision by role bindings", X: "role bindings", Unit: "µs",
		About:  "One uncached authorization decision in process; half of the bindings are cluster-wide, and nobody has more than 8.",
		Series: []report.Series{{Name: servers.Verdict}, {Name: rbac}},
	}
	memory := report.Curve{
		Name: "Memory by role bindings", X: "role bindings", Unit: "MiB",
		About:  "What is reachable of the compiled policy with its data, and of RBAC's indexers, after garbage collection.",
		Series: []report.Series{{Name: servers.Verdict}, {Name: rbac}},
	}
	var first, last report.Figure
	for i, r := range results {
		x := float64(r.Bindings)
		for s, figure := range []report.Figure{r.Verdict, r.RBAC} {
			times.Series[s].Points = append(times.Series[s].Points, report.Point{X: x, Y: figure})
		}
		for s, bytes := range []int64{r.VerdictHeap, r.RBACHeap} {
			memory.Series[s].Points = append(memory.Series[s].Points, report.Point{X: x, Y: report.NewFigure([]float64{float64(bytes) / (1 << 20)})})
		}
		if i == 0 {
			first = r.Verdict
		}
		last = r.Verdict
		if r.Bindings > 10000 {
			continue
		}
		c := report.Comparison{
			Section: inOne, Name: fmt.Sprintf("One authorization decision, %d bindings", r.Bindings), Unit: "µs",
			About: "An uncached decision on a decoded review, beside kube-apiserver's RBAC authorizer with the same roles and bindings behind its own listers. " +
				"Verdict also evaluates its guard rails, which RBAC cannot express.",
			Entries: []report.Entry{{Name: servers.Verdict, Figure: r.Verdict}, {Name: rbac, Figure: r.RBAC}},
		}
		made.Comparisons = append(made.Comparisons, c)
		if r.Bindings == 10000 {
			made.Targets = append(made.Targets, report.AtMost("one uncached authorization decision in process, 10,000 bindings, against RBAC", c.Against(rbac), 2))
		}
	}
	made.Targets = append(made.Targets, report.AtMost("the same with 100,000 bindings, against 100", report.Ratio(last, first), 1.3))
	made.Curves = append(made.Curves, times, memory)
	return nil
}

// growingNodes are what a filter call names.
var growingNodes = []int{100, 500, 1000, 2500, 5000, 10000, 15000}

func (b *bench) measureFilter(ctx context.Context, made *report.Report) error {
	names := func(nodes int, specs generate.Specs) inprocess.FilterCase {
		return inprocess.FilterCase{Name: fmt.Sprintf("filter, %d names, %s", nodes, specs), Nodes: nodes, Form: generate.NodeNames, Specs: specs}
	}
	known, fresh := names(b.nodes, generate.KnownSpecs), names(b.nodes, generate.NewSpecs)
	unique, uniqueFresh := known, fresh
	unique.Unique, uniqueFresh.Unique = true, true
	unique.Name += ", each node a class of its own"
	uniqueFresh.Name += ", each node a class of its own"
	whole := inprocess.FilterCase{
		Name: fmt.Sprintf("filter, %d whole nodes seen before", b.nodes), Nodes: b.nodes,
		Form: generate.WholeNodes, Specs: generate.KnownSpecs, DecodeOnly: true,
	}
	cases := []inprocess.FilterCase{known, fresh, unique, uniqueFresh, whole}
	fmt.Fprintln(b.progress, "in process: filter")
	results, err := inprocess.MeasureFilter(ctx, cases, b.turns(2*len(cases)), b.seed)
	if err != nil {
		return err
	}
	bounds := map[string]float64{known.Name: 1, fresh.Name: 2, whole.Name: 0.35}
	for _, r := range results {
		against := "decoding the call and encoding an answer of the same shape with encoding/json"
		if r.DecodeOnly {
			against = "decoding the call with encoding/json"
		}
		c := report.Comparison{
			Section: inOne, Name: r.Name, Unit: "µs",
			About: fmt.Sprintf("Verdict's handler, from a call of %d KiB to the bytes of the answer, beside %s. The pod's name is new in every call; the nodes are of %d classes, each with a hostname label of its own.",
				r.BodyBytes>>10, against, generate.NodeClasses),
			Entries: []report.Entry{{Name: servers.Verdict, Figure: r.Verdict}, {Name: goJSON, Figure: r.JSON}},
		}
		made.Comparisons = append(made.Comparisons, c)
		if bound, ok := bounds[r.Name]; ok {
			made.Targets = append(made.Targets, report.AtMost(r.Name+", against "+against, c.Against(goJSON), bound))
		}
	}
	return b.measureGrowingFilter(ctx, names, made)
}

func (b *bench) measureGrowingFilter(ctx context.Context, names func(int, generate.Specs) inprocess.FilterCase, made *report.Report) error {
	var cases []inprocess.FilterCase
	for _, nodes := range growingNodes {
		cases = append(cases, names(nodes, generate.KnownSpecs), names(nodes, generate.NewSpecs))
	}
	results, err := inprocess.MeasureFilter(ctx, cases, b.turns(2*len(cases)), b.seed)
	if err != nil {
		return err
	}
	curve := report.Curve{
		Name: "Filter by nodes", X: "nodes", Unit: "µs",
		About:  "A filter call that names its nodes, beside decoding it and encoding an answer of the same shape with encoding/json.",
		Series: []report.Series{{Name: "verdict, pod spec seen before"}, {Name: "verdict, new pod spec"}, {Name: goJSON}},
	}
	for i := 0; i < len(results); i += 2 {
		for s, figure := range []report.Figure{results[i].Verdict, results[i+1].Verdict, results[i].JSON} {
			curve.Series[s].Points = append(curve.Series[s].Points, report.Point{X: float64(results[i].Nodes), Y: figure})
		}
	}
	made.Curves = append(made.Curves, curve)
	return nil
}

const signature = "signature alone"

func (b *bench) measureTokens(ctx context.Context, made *report.Report) error {
	fmt.Fprintln(b.progress, "in process: tokens")
	results, err := inprocess.MeasureTokens(ctx, b.dir, b.turns(3*len(generate.Algorithms())), b.seed)
	if err != nil {
		return err
	}
	for _, r := range results {
		compare := func(name, from string, own report.Figure) report.Comparison {
			c := report.Comparison{
				Section: inOne, Name: fmt.Sprintf("%s, %s", name, r.Algorithm), Unit: "µs",
				About:   fmt.Sprintf("A token of %d bytes, never seen before, %s, beside Go's own check of its signature with the hash of what is signed.", r.TokenBytes, from),
				Entries: []report.Entry{{Name: servers.Verdict, Figure: own}, {Name: signature, Figure: r.Check}},
			}
			made.Comparisons = append(made.Comparisons, c)
			return c
		}
		c := compare("One JWT", "from its text to the identity that policies see", r.Identity)
		compare("One TokenReview", "from the bytes of the review to those of the answer, policy and all", r.Review)
		if r.Algorithm == generate.RS256 {
			made.Targets = append(made.Targets, report.AtMost("one uncached RS256 token to identity in process, against its signature alone", c.Against(signature), 1.3))
		}
	}
	return nil
}

// growingFiles are policy files beside the starter policies.
var growingFiles = []int{1, 10, 100, 1000}

func (b *bench) measurePolicies(ctx context.Context, made *report.Report) error {
	fmt.Fprintln(b.progress, "in process: policy files")
	results, err := inprocess.MeasurePolicies(ctx, growingFiles, b.turns(2*len(growingFiles)), b.seed)
	if err != nil {
		return err
	}
	load := report.Curve{
		Name: "Loading policy files", X: "policy files", Unit: "µs", Series: []report.Series{{Name: servers.Verdict}},
		About: "Compiling the starter policies with so many more files of one rule each, which is what a reload does.",
	}
	decide := report.Curve{
		Name: "One decision by policy files", X: "policy files", Unit: "µs", Series: []report.Series{{Name: servers.Verdict}},
		About: "One uncached authorization decision by them.",
	}
	for _, r := range results {
		x := float64(r.Files)
		load.Series[0].Points = append(load.Series[0].Points, report.Point{X: x, Y: r.Load})
		decide.Series[0].Points = append(decide.Series[0].Points, report.Point{X: x, Y: r.Decide})
	}
	made.Curves = append(made.Curves, load, decide)
	return nil
}

func (b *bench) measureScheduler(ctx context.Context, made *report.Report) error {
	dir := filepath.Join(b.dir, "scheduler")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	result, err := scheduler.Run(ctx, scheduler.Options{
		Module: filepath.Join(b.root, "loadtest"), Dir: dir, Policies: b.files.Verdict,
		Verdict: b.fleet.VerdictProgram(), Self: b.fleet.Self(),
		Nodes: b.nodes, Pods: b.pods, Rounds: b.options.rounds, Progress: b.progress,
	})
	if err != nil {
		return err
	}
	for _, s := range scheduler.Samplings {
		c := report.Comparison{
			Section: throughput, Name: fmt.Sprintf("pods bound, %d nodes by name, %s", b.nodes, s.Name), Unit: "pods/s", HigherIsBetter: true,
			About: fmt.Sprintf("Upstream's scheduler_perf, %d pods a round, percentageOfNodesToScore: %d (0 is upstream's default). "+
				"The extenders stand in one scheduler and take turns by managedResources; the scheduler without one has a cluster of its own.", b.pods, s.Percentage),
		}
		for _, name := range []string{servers.Verdict, servers.Extender, scheduler.None} {
			c.Entries = append(c.Entries, report.Entry{Name: name, Figure: report.NewFigure(result[s.Name][name])})
		}
		made.Comparisons = append(made.Comparisons, c)
		made.Targets = append(made.Targets, report.AtLeast(c.Name+", against the "+servers.Extender, c.Against(servers.Extender), 0.95))
	}
	return nil
}
