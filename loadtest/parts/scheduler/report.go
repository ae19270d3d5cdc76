package scheduler

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const section = "kube-scheduler's throughput"

func addComparisons(b *bench.Bench, measured result, made *report.Report) {
	for _, s := range samplings {
		c := report.Comparison{
			Section: section, Name: fmt.Sprintf("pods bound, %d nodes by name, %s", b.Nodes, s.name), Unit: "pods/s", HigherIsBetter: true,
			About: fmt.Sprintf("Upstream's scheduler_perf, %d pods a round, percentageOfNodesToScore: %d (0 is upstream's default). "+
				"The extenders stand in one scheduler and take turns by managedResources; the scheduler without one has a cluster of its own.", b.Pods, s.percentage),
		}
		for _, name := range []string{servers.Verdict, servers.Extender, none} {
			c.Entries = append(c.Entries, report.Entry{Name: name, Figure: report.NewFigure(measured[s.name][name])})
		}
		made.Comparisons = append(made.Comparisons, c)
		made.Targets = append(made.Targets, report.AtLeast(c.Name+", against the "+servers.Extender, c.Against(servers.Extender), 0.95))
	}
}
