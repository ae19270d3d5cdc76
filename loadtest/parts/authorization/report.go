package authorization

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// growingBindings are how many role bindings there are.
var growingBindings = []int{100, 1000, 10000, 30000, 100000}

// targetBindings is the number of bindings with which RBAC is the target;
// decisions with more of them are shown in the curves only.
const targetBindings = 10000

func addResults(results []decision, made *report.Report) {
	times := report.Curve{
		Name: "One decision by role bindings", X: "role bindings", Unit: "µs",
		About:  "One uncached authorization decision in process; half of the bindings are cluster-wide, and no user has more than 8.",
		Series: []report.Series{{Name: servers.Verdict}, {Name: inprocess.RBAC}},
	}
	memory := report.Curve{
		Name: "Memory by role bindings", X: "role bindings", Unit: "MiB",
		About:  "What is reachable of the compiled policy with its data, and of RBAC's indexers, after garbage collection.",
		Series: []report.Series{{Name: servers.Verdict}, {Name: inprocess.RBAC}},
	}
	for _, d := range results {
		x := float64(d.bindings)
		for s, figure := range []report.Figure{d.verdict, d.rbac} {
			times.Series[s].Points = append(times.Series[s].Points, report.Point{X: x, Y: figure})
		}
		for s, bytes := range []int64{d.verdictHeap, d.rbacHeap} {
			memory.Series[s].Points = append(memory.Series[s].Points, report.Point{X: x, Y: report.NewFigure([]float64{float64(bytes) / (1 << 20)})})
		}
		if d.bindings <= targetBindings {
			addComparison(d, made)
		}
	}
	first, last := results[0].verdict, results[len(results)-1].verdict
	made.Targets = append(made.Targets, report.AtMost("the same with 100,000 bindings, against 100", report.Ratio(last, first), 1.3))
	made.Curves = append(made.Curves, times, memory)
}

func addComparison(d decision, made *report.Report) {
	c := report.Comparison{
		Section: inprocess.Section, Name: fmt.Sprintf("One authorization decision, %d bindings", d.bindings), Unit: "µs",
		About: "An uncached decision on a decoded review, beside kube-apiserver's RBAC authorizer with the same roles and bindings behind its own listers. " +
			"Verdict also evaluates its guard rails, which RBAC cannot express.",
		Entries: []report.Entry{{Name: servers.Verdict, Figure: d.verdict}, {Name: inprocess.RBAC, Figure: d.rbac}},
	}
	made.Comparisons = append(made.Comparisons, c)
	if d.bindings == targetBindings {
		made.Targets = append(made.Targets, report.AtMost("one uncached authorization decision in process, 10,000 bindings, against RBAC", c.Against(inprocess.RBAC), 2))
	}
}
