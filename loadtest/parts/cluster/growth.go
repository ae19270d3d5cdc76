package cluster

import (
	"github.com/verdict-dev/verdict/loadtest/report"
)

// growth collects the figures by the number of nodes.
type growth struct{ ready, memory, p50, p99 report.Curve }

func newGrowth() *growth {
	curve := func(name, unit, about string) report.Curve {
		c := report.Curve{Name: name, X: "nodes", Unit: unit, About: about + " With pods in proportion."}
		for _, each := range cases() {
			c.Series = append(c.Series, report.Series{Name: each.name})
		}
		return c
	}
	return &growth{
		ready:  curve("From start to ready by nodes", "s", "From the start of verdict's process to /readyz."),
		memory: curve("Memory by nodes", "MiB", "Verdict's resident memory when it is ready."),
		p50:    curve("Median of filter calls by nodes in the cluster", "ms", "Filter calls over HTTP that name every node, in calm."),
		p99:    curve("p99 of filter calls by nodes in the cluster", "ms", "The same calls."),
	}
}

func (g *growth) curves() []report.Curve {
	return []report.Curve{g.ready, g.memory, g.p50, g.p99}
}

func (g *growth) add(nodes int, all rounds) {
	for i, each := range cases() {
		add := func(curve *report.Curve, of func(measured) float64) {
			curve.Series[i].Points = append(curve.Series[i].Points, report.Point{X: float64(nodes), Y: all.figure(each.name, of)})
		}
		add(&g.ready, func(one measured) float64 { return one.ready })
		add(&g.memory, func(one measured) float64 { return one.resident })
		add(&g.p50, func(one measured) float64 { return one.calm.p50 })
		add(&g.p99, func(one measured) float64 { return one.calm.p99 })
	}
}
