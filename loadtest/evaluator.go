package main

import (
	"context"
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	interpreter  = "OPA's interpreter"
	byEvaluators = "Compiled rules and OPA's interpreter"
	// Over so many bindings, items of policy and nodes.
	evaluatorBindings, changedFiles = 10000, 1000
	// mostAllocations is for one decision over the bindings.
	mostAllocations = 40
)

// measureEvaluator compares what verdict compiles with OPA's interpreter.
func (b *bench) measureEvaluator(ctx context.Context, made *report.Report) error {
	fmt.Fprintln(b.progress, "in one process: evaluators")
	const contestants = 40 // about
	decided, err := inprocess.MeasureEvaluators(ctx, evaluatorBindings, b.turns(contestants), b.seed)
	if err != nil {
		return err
	}
	shipped, err := inprocess.MeasureShipped(ctx, b.root, b.turns(contestants))
	if err != nil {
		return err
	}
	byName := map[string]report.Comparison{}
	for _, e := range append(decided, shipped...) {
		c := report.Comparison{
			Section: byEvaluators, Name: e.Name, Unit: "µs", About: fmt.Sprintf("%s Compiled it takes %.0f allocations.", e.About, e.Allocations),
			Entries: []report.Entry{{Name: servers.Verdict, Figure: e.Compiled}, {Name: interpreter, Figure: e.Interpreter}},
		}
		made.Comparisons = append(made.Comparisons, c)
		byName[e.Name] = c
	}
	for _, e := range decided[:3] {
		made.Targets = append(made.Targets,
			faster(byName[e.Name], 8),
			report.AtMost(e.Name+", allocations (a number, no ratio)", report.NewFigure([]float64{e.Allocations}), mostAllocations))
	}
	for _, n := range inprocess.RuleCounts {
		made.Targets = append(made.Targets, faster(byName[inprocess.ShapeRules(n)], 5))
	}
	few, many := inprocess.RuleCounts[0], inprocess.RuleCounts[len(inprocess.RuleCounts)-1]
	made.Targets = append(made.Targets, report.AtMost(fmt.Sprintf("%d rules on distinct constants against %d", many, few),
		report.Ratio(byName[inprocess.ShapeRules(many)].Of(servers.Verdict), byName[inprocess.ShapeRules(few)].Of(servers.Verdict)), 1.5))
	for _, name := range []string{inprocess.ShapeSome, inprocess.ShapeGroups, inprocess.ShapeHelper} {
		made.Targets = append(made.Targets, faster(byName[name], 1))
	}
	made.Targets = append(made.Targets, shippedTargets(shipped)...)
	return b.measureUnseen(ctx, made)
}

// faster is a target for how many times as long OPA's interpreter takes.
func faster(c report.Comparison, bound float64) report.Target {
	return report.AtLeast(c.Name+", time of "+interpreter+" against compiled", report.Ratio(c.Of(interpreter), c.Of(servers.Verdict)), bound)
}

// shippedTargets are for the policies of rego/: all of them together, and the
// one that gains least.
func shippedTargets(shipped []inprocess.Evaluation) []report.Target {
	var each []float64
	least, name := report.Figure{}, ""
	for _, e := range shipped {
		ratio := report.Ratio(e.Interpreter, e.Compiled)
		each = append(each, ratio.Median)
		if name == "" || ratio.Median < least.Median {
			least, name = ratio, e.Name
		}
	}
	return []report.Target{
		report.AtLeast("the policies of rego/ on the inputs of their tests, the median file, time of "+interpreter+" against compiled", report.NewFigure(each), 4),
		report.AtLeast("the one of them that gains least, "+name, least, 1),
	}
}

func (b *bench) measureUnseen(ctx context.Context, made *report.Report) error {
	for _, m := range []struct {
		name, about, other string
		bound              float64
		measure            func() (inprocess.Against, error)
	}{
		{
			fmt.Sprintf("From the bytes of a SubjectAccessReview never seen to its decision, %d bindings", evaluatorBindings),
			"Verdict reads the bytes, RBAC is given attributes that were read already.", rbac, 0.5,
			func() (inprocess.Against, error) {
				return inprocess.MeasureBytes(ctx, evaluatorBindings, b.turns(2), b.seed)
			},
		},
		{
			fmt.Sprintf("filter, %d names, pod specs never seen before, each node a class of its own, by evaluator", b.nodes),
			"Verdict's handler, from a call to the bytes of the answer.", interpreter, 0.2,
			func() (inprocess.Against, error) {
				return inprocess.MeasureUniqueNodes(ctx, b.nodes, b.turns(2), b.seed)
			},
		},
		{
			fmt.Sprintf("From a change to one of %d policy files to its effect", changedFiles),
			"Reading and compiling all of them, as a reload does.", interpreter, 2,
			func() (inprocess.Against, error) {
				return inprocess.MeasureChange(ctx, changedFiles, b.turns(2), b.seed)
			},
		},
	} {
		measured, err := m.measure()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		c := report.Comparison{
			Section: byEvaluators, Name: m.name, About: m.about, Unit: "µs",
			Entries: []report.Entry{{Name: servers.Verdict, Figure: measured.Verdict}, {Name: m.other, Figure: measured.Other}},
		}
		made.Comparisons = append(made.Comparisons, c)
		made.Targets = append(made.Targets, report.AtMost(m.name+", against "+m.other, c.Against(m.other), m.bound))
	}
	return nil
}
