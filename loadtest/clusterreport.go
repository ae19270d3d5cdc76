package main

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// clusterFigure sums up one quantity of the rounds of a case.
func clusterFigure(rounds []clustered, of func(clustered) float64) report.Figure {
	var values []float64
	for _, one := range rounds {
		values = append(values, of(one))
	}
	return report.NewFigure(values)
}

// report tells of the rounds with -cluster-nodes.
func (c *clusterBench) report(idle map[string][2]float64, rounds map[string][]clustered, made *report.Report) {
	cases := clusterCases()
	pods := c.filled * c.clusterPods / c.clusterNodes
	size := fmt.Sprintf("%d nodes and %d pods", c.filled, pods)

	standing := report.Table{
		Name: "A cluster in memory",
		About: fmt.Sprintf("%s in a real API server; the policies are the starter policies with a rule more that reads what is named. "+
			"Verdict watches no pods where no rule reads state. Memory is resident, %v after /readyz said ok; idle figures are of one stretch of %v in which nothing changed.",
			size, clusterSettle, c.clusterIdle),
		Columns: []string{"from start to ready, s", "memory, MiB", "memory after the idle stretch, MiB", "idle CPU, ms/s", "KiB a pod beside the policy that reads no state"},
	}
	latency := report.Table{
		Name: "Filter calls while pods come and go",
		About: fmt.Sprintf("%s; %d filter calls a second that name every node, for pods drawn from %d specs, in calm and while %d pods a second are created on nodes and as many deleted. "+
			"Latency counts from the instant at which a call was due. The %s handler shows what the API server and the client that churns take of the machine.",
			size, filterRate, clusterPodSpecs, churnRate, servers.Nothing),
		Columns: []string{"calm p50, ms", "churn p50, ms", "calm p99, ms", "churn p99, ms", "p99, churn against calm", "CPU, churn against calm", "evaluations a call", "classes a call", "pods/s"},
	}
	resident := func(one clustered) float64 { return one.resident }
	p99 := func(name string) report.Figure {
		return report.Ratio(clusterFigure(rounds[name], func(one clustered) float64 { return one.churn.p99 }),
			clusterFigure(rounds[name], func(one clustered) float64 { return one.calm.p99 }))
	}
	cpu := func(name string) report.Figure {
		return report.Ratio(clusterFigure(rounds[name], func(one clustered) float64 { return one.churn.cpu }),
			clusterFigure(rounds[name], func(one clustered) float64 { return one.calm.cpu }))
	}
	names := []string{}
	for _, each := range cases {
		names = append(names, each.name)
		kibibytes := report.Figure{}
		if each.name != readsNone {
			var values []float64
			for i, one := range rounds[each.name] {
				values = append(values, (one.resident-rounds[readsNone][i].resident)*1024/float64(pods))
			}
			kibibytes = report.NewFigure(values)
		}
		standing.Cases = append(standing.Cases, report.TableCase{Name: each.name, Figures: []report.Figure{
			clusterFigure(rounds[each.name], func(one clustered) float64 { return one.ready }),
			clusterFigure(rounds[each.name], resident),
			report.NewFigure([]float64{idle[each.name][1]}),
			report.NewFigure([]float64{idle[each.name][0]}),
			kibibytes,
		}})
	}
	for _, name := range append(names, servers.Nothing) {
		of := func(of func(clustered) float64) report.Figure { return clusterFigure(rounds[name], of) }
		latency.Cases = append(latency.Cases, report.TableCase{Name: name, Figures: []report.Figure{
			of(func(one clustered) float64 { return one.calm.p50 }),
			of(func(one clustered) float64 { return one.churn.p50 }),
			of(func(one clustered) float64 { return one.calm.p99 }),
			of(func(one clustered) float64 { return one.churn.p99 }),
			p99(name),
			cpu(name),
			of(func(one clustered) float64 { return one.churn.evaluations / max(one.churn.calls, 1) }),
			of(func(one clustered) float64 { return one.churn.classes }),
			of(func(one clustered) float64 { return one.podsASecond }),
		}})
	}
	made.Tables = append(made.Tables, standing, latency)

	for _, name := range []string{readsPods, readsFree} {
		what := fmt.Sprintf("p99 of filter, %d nodes, while %d pods a second come and go, a policy that %s, against calm", c.filled, churnRate, name)
		made.Targets = append(made.Targets,
			report.AtMost(what, p99(name), 2),
			report.AtMost("the same over the growth for a policy that "+readsNone+", which is what the rest of the machine adds (an aim)", report.Ratio(p99(name), p99(readsNone)), 2),
		)
	}
	evaluations, classes := 0, 0
	for _, one := range rounds[readsNone] {
		evaluations += int(one.churn.evaluations)
		if one.churn.classes != one.calm.classes {
			classes++
		}
	}
	made.Targets = append(made.Targets,
		report.AtMost(fmt.Sprintf("the same for a policy that %s, over the growth of the %s handler's p99", readsNone, servers.Nothing), report.Ratio(p99(readsNone), p99(servers.Nothing)), 1.2),
		report.AtMost("processor time meanwhile against calm, the same policy", cpu(readsNone), 1.2),
		report.None(fmt.Sprintf("evaluations while pods come and go, a policy that %s", readsNone), evaluations),
		report.None("rounds in which the number of classes changed meanwhile, the same policy", classes),
	)
}

// clusterGrowth collects what is measured by the number of nodes.
type clusterGrowth struct{ ready, memory, p50, p99 report.Curve }

func newClusterGrowth() *clusterGrowth {
	curve := func(name, unit, about string) report.Curve {
		c := report.Curve{Name: name, X: "nodes", Unit: unit, About: about + " With pods in proportion."}
		for _, each := range clusterCases() {
			c.Series = append(c.Series, report.Series{Name: each.name})
		}
		return c
	}
	return &clusterGrowth{
		ready:  curve("From start to ready by nodes", "s", "From the start of verdict's process to /readyz."),
		memory: curve("Memory by nodes", "MiB", "Verdict's resident memory when it is ready."),
		p50:    curve("Median of filter calls by nodes in the cluster", "ms", "Filter calls over HTTP that name every node, in calm."),
		p99:    curve("p99 of filter calls by nodes in the cluster", "ms", "The same calls."),
	}
}

func (g *clusterGrowth) curves() []report.Curve {
	return []report.Curve{g.ready, g.memory, g.p50, g.p99}
}

func (g *clusterGrowth) add(nodes int, rounds map[string][]clustered) {
	for i, each := range clusterCases() {
		add := func(curve *report.Curve, of func(clustered) float64) {
			curve.Series[i].Points = append(curve.Series[i].Points, report.Point{X: float64(nodes), Y: clusterFigure(rounds[each.name], of)})
		}
		add(&g.ready, func(one clustered) float64 { return one.ready })
		add(&g.memory, func(one clustered) float64 { return one.resident })
		add(&g.p50, func(one clustered) float64 { return one.calm.p50 })
		add(&g.p99, func(one clustered) float64 { return one.calm.p99 })
	}
}
