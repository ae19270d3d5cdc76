package evaluators

import (
	"context"
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	interpreter = "OPA's interpreter"
	section     = "Compiled rules and OPA's interpreter"
	// decidedBindings are the role bindings of decisions, changedFiles the policy files
	// of which one changes.
	decidedBindings, changedFiles = 10000, 1000
	// mostAllocations is for one decision over the bindings.
	mostAllocations = 40
)

// addResults adds decisions and shapes, and the policies of rego/.
func addResults(decided, shipped []result, made *report.Report) {
	byName := map[string]report.Comparison{}
	for _, e := range append(decided, shipped...) {
		c := report.Comparison{
			Section: section, Name: e.name, Unit: "µs", About: fmt.Sprintf("%s Compiled it takes %.0f allocations.", e.about, e.allocations),
			Entries: []report.Entry{{Name: servers.Verdict, Figure: e.compiled}, {Name: interpreter, Figure: e.interpreter}},
		}
		made.Comparisons = append(made.Comparisons, c)
		byName[e.name] = c
	}
	for _, e := range decided[:3] {
		made.Targets = append(made.Targets,
			faster(byName[e.name], 8),
			report.AtMost(e.name+", allocations (a number, no ratio)", report.NewFigure([]float64{e.allocations}), mostAllocations))
	}
	for _, n := range ruleCounts {
		made.Targets = append(made.Targets, faster(byName[shapeRules(n)], 5))
	}
	few, many := ruleCounts[0], ruleCounts[len(ruleCounts)-1]
	made.Targets = append(made.Targets, report.AtMost(fmt.Sprintf("%d rules on distinct constants against %d", many, few),
		report.Ratio(byName[shapeRules(many)].Of(servers.Verdict), byName[shapeRules(few)].Of(servers.Verdict)), 1.5))
	for _, name := range []string{shapeSome, shapeGroups, shapeHelper} {
		made.Targets = append(made.Targets, faster(byName[name], 1))
	}
	made.Targets = append(made.Targets, shippedTargets(shipped)...)
}

// faster is a target for how many times as long OPA's interpreter takes.
func faster(c report.Comparison, bound float64) report.Target {
	return report.AtLeast(c.Name+", time of "+interpreter+" against compiled", report.Ratio(c.Of(interpreter), c.Of(servers.Verdict)), bound)
}

// shippedTargets are for the policies of rego/: for all of them together, and for the
// file that gains least.
func shippedTargets(shipped []result) []report.Target {
	var each []float64
	least, name := report.Figure{}, ""
	for _, e := range shipped {
		ratio := report.Ratio(e.interpreter, e.compiled)
		each = append(each, ratio.Median)
		if name == "" || ratio.Median < least.Median {
			least, name = ratio, e.name
		}
	}
	return []report.Target{
		report.AtLeast("the policies of rego/ on the inputs of their tests, the median file, time of "+interpreter+" against compiled", report.NewFigure(each), 4),
		report.AtLeast("the one of them that gains least, "+name, least, 1),
	}
}

// addUnseen measures what verdict does with bytes and files that it has not seen before.
func addUnseen(ctx context.Context, b *bench.Bench, made *report.Report) error {
	turns := inprocess.ShortTurns(b, 2)
	for _, m := range []struct {
		name, about, other string
		bound              float64
		measure            func() (against, error)
	}{
		{
			fmt.Sprintf("From the bytes of a SubjectAccessReview never seen to its decision, %d bindings", decidedBindings),
			"Verdict reads the bytes, RBAC is given attributes that were read already.", inprocess.RBAC, 0.5,
			func() (against, error) {
				return measureBytes(ctx, decidedBindings, turns, b.Seed)
			},
		},
		{
			fmt.Sprintf("filter, %d names, pod specs never seen before, each node a class of its own, by evaluator", b.Nodes),
			"Verdict's handler, from a call to the bytes of the answer.", interpreter, 0.2,
			func() (against, error) {
				return measureUniqueNodes(ctx, b.Nodes, turns, b.Seed)
			},
		},
		{
			fmt.Sprintf("From a change to one of %d policy files to its effect", changedFiles),
			"Reading and compiling all of them, as a reload does.", interpreter, 2,
			func() (against, error) {
				return measureChange(ctx, changedFiles, turns, b.Seed)
			},
		},
	} {
		measured, err := m.measure()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		c := report.Comparison{
			Section: section, Name: m.name, About: m.about, Unit: "µs",
			Entries: []report.Entry{{Name: servers.Verdict, Figure: measured.verdict}, {Name: m.other, Figure: measured.other}},
		}
		made.Comparisons = append(made.Comparisons, c)
		made.Targets = append(made.Targets, report.AtMost(m.name+", against "+m.other, c.Against(m.other), m.bound))
	}
	return nil
}
