package policyfiles

import (
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

func addCurves(results []result, made *report.Report) {
	load := report.Curve{
		Name: "Loading policy files", X: "policy files", Unit: "µs", Series: []report.Series{{Name: servers.Verdict}},
		About: "Compiling the starter policies with so many more files of one rule each, which is what a reload does.",
	}
	decide := report.Curve{
		Name: "One decision by policy files", X: "policy files", Unit: "µs", Series: []report.Series{{Name: servers.Verdict}},
		About: "One uncached authorization decision by them.",
	}
	for _, r := range results {
		x := float64(r.files)
		load.Series[0].Points = append(load.Series[0].Points, report.Point{X: x, Y: r.load})
		decide.Series[0].Points = append(decide.Series[0].Points, report.Point{X: x, Y: r.decide})
	}
	made.Curves = append(made.Curves, load, decide)
}
