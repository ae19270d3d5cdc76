package filter

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const goJSON = "encoding/json"

// growingNodes are how many nodes a filter call names.
var growingNodes = []int{100, 500, 1000, 2500, 5000, 10000, 15000}

// names is a case in which calls name their nodes.
func names(nodes int, specs generate.Specs) Case {
	return Case{Name: fmt.Sprintf("filter, %d names, %s", nodes, specs), Nodes: nodes, Form: generate.NodeNames, Specs: specs}
}

// cases are those with so many nodes, and the most that a call may take as a part of
// the time of encoding/json, by the name of the case.
func cases(nodes int) (all []Case, bounds map[string]float64) {
	known, fresh := names(nodes, generate.KnownSpecs), names(nodes, generate.NewSpecs)
	unique, uniqueFresh := known, fresh
	unique.Unique, uniqueFresh.Unique = true, true
	unique.Name += ", each node a class of its own"
	uniqueFresh.Name += ", each node a class of its own"
	whole := Case{
		Name: fmt.Sprintf("filter, %d whole nodes seen before", nodes), Nodes: nodes,
		Form: generate.WholeNodes, Specs: generate.KnownSpecs, DecodeOnly: true,
	}
	return []Case{known, fresh, unique, uniqueFresh, whole}, map[string]float64{known.Name: 1, fresh.Name: 2, whole.Name: 0.35}
}

func addComparisons(results []result, bounds map[string]float64, made *report.Report) {
	for _, r := range results {
		against := "decoding the call and encoding an answer of the same shape with encoding/json"
		if r.DecodeOnly {
			against = "decoding the call with encoding/json"
		}
		c := report.Comparison{
			Section: inprocess.Section, Name: r.Name, Unit: "µs",
			About: fmt.Sprintf("Verdict's handler, from a call of %d KiB to the bytes of the answer, beside %s. The pod's name is new in every call; the nodes are of %d classes, each with a hostname label of its own.",
				r.bodyBytes>>10, against, generate.NodeClasses),
			Entries: []report.Entry{{Name: servers.Verdict, Figure: r.verdict}, {Name: goJSON, Figure: r.json}},
		}
		made.Comparisons = append(made.Comparisons, c)
		if bound, ok := bounds[r.Name]; ok {
			made.Targets = append(made.Targets, report.AtMost(r.Name+", against "+against, c.Against(goJSON), bound))
		}
	}
}

// addCurve adds results with growingNodes: for each number a pod spec that was seen
// before, and then a new one.
func addCurve(results []result, made *report.Report) {
	curve := report.Curve{
		Name: "Filter by nodes", X: "nodes", Unit: "µs",
		About:  "A filter call that names its nodes, beside decoding it and encoding an answer of the same shape with encoding/json.",
		Series: []report.Series{{Name: "verdict, pod spec seen before"}, {Name: "verdict, new pod spec"}, {Name: goJSON}},
	}
	for i := 0; i < len(results); i += 2 {
		for s, figure := range []report.Figure{results[i].verdict, results[i+1].verdict, results[i].json} {
			curve.Series[s].Points = append(curve.Series[s].Points, report.Point{X: float64(results[i].Nodes), Y: figure})
		}
	}
	made.Curves = append(made.Curves, curve)
}
