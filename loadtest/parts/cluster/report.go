package cluster

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// rounds are what was measured in each round, by the name of the policy.
type rounds map[string][]measured

// figure sums up one quantity of the rounds of one policy.
func (r rounds) figure(name string, of func(measured) float64) report.Figure {
	var values []float64
	for _, one := range r[name] {
		values = append(values, of(one))
	}
	return report.NewFigure(values)
}

// p99 is the p99 under churn against that in calm.
func (r rounds) p99(name string) report.Figure {
	return report.Ratio(r.figure(name, func(one measured) float64 { return one.churn.p99 }),
		r.figure(name, func(one measured) float64 { return one.calm.p99 }))
}

// cpu is the processor time under churn against that in calm.
func (r rounds) cpu(name string) report.Figure {
	return report.Ratio(r.figure(name, func(one measured) float64 { return one.churn.cpu }),
		r.figure(name, func(one measured) float64 { return one.calm.cpu }))
}

// report adds the rounds with -cluster-nodes. idle is processor time and memory, by
// policy.
func (r *run) report(idle map[string][2]float64, all rounds, made *report.Report) {
	pods := r.filled * r.ClusterPods / r.ClusterNodes
	size := fmt.Sprintf("%d nodes and %d pods", r.filled, pods)
	made.Tables = append(made.Tables, r.memoryTable(size, pods, idle, all), latencyTable(size, all))
	made.Targets = append(made.Targets, churnTargets(r.filled, all)...)
}

func (r *run) memoryTable(size string, pods int, idle map[string][2]float64, all rounds) report.Table {
	table := report.Table{
		Name: "A cluster in memory",
		About: fmt.Sprintf("%s in a real API server; the policies are the starter policies with a rule more that reads what is named. "+
			"Verdict watches no pods where no rule reads state. Memory is resident, %v after /readyz said ok; idle figures are of one stretch of %v in which nothing changed.",
			size, settle, r.ClusterIdle),
		Columns: []string{"from start to ready, s", "memory, MiB", "memory after the idle stretch, MiB", "idle CPU, ms/s", "KiB a pod beside the policy that reads no state"},
	}
	for _, each := range cases() {
		kibibytes := report.Figure{}
		if each.name != readsNone {
			var values []float64
			for i, one := range all[each.name] {
				values = append(values, (one.resident-all[readsNone][i].resident)*1024/float64(pods))
			}
			kibibytes = report.NewFigure(values)
		}
		table.Cases = append(table.Cases, report.TableCase{Name: each.name, Figures: []report.Figure{
			all.figure(each.name, func(one measured) float64 { return one.ready }),
			all.figure(each.name, func(one measured) float64 { return one.resident }),
			report.NewFigure([]float64{idle[each.name][1]}),
			report.NewFigure([]float64{idle[each.name][0]}),
			kibibytes,
		}})
	}
	return table
}

func latencyTable(size string, all rounds) report.Table {
	table := report.Table{
		Name: "Filter calls while pods come and go",
		About: fmt.Sprintf("%s; %d filter calls a second that name every node, for pods drawn from %d specs, in calm and while %d pods a second are created on nodes and as many deleted. "+
			"Latency counts from the instant at which a call was due. The %s handler shows what the API server and the client that churns take of the machine.",
			size, filterRate, podSpecs, churnRate, servers.Nothing),
		Columns: []string{"calm p50, ms", "churn p50, ms", "calm p99, ms", "churn p99, ms", "p99, churn against calm", "CPU, churn against calm", "evaluations a call", "classes a call", "pods/s"},
	}
	var names []string
	for _, each := range cases() {
		names = append(names, each.name)
	}
	for _, name := range append(names, servers.Nothing) {
		of := func(of func(measured) float64) report.Figure { return all.figure(name, of) }
		table.Cases = append(table.Cases, report.TableCase{Name: name, Figures: []report.Figure{
			of(func(one measured) float64 { return one.calm.p50 }),
			of(func(one measured) float64 { return one.churn.p50 }),
			of(func(one measured) float64 { return one.calm.p99 }),
			of(func(one measured) float64 { return one.churn.p99 }),
			all.p99(name),
			all.cpu(name),
			of(func(one measured) float64 { return one.churn.evaluations / max(one.churn.calls, 1) }),
			of(func(one measured) float64 { return one.churn.classes }),
			of(func(one measured) float64 { return one.podsASecond }),
		}})
	}
	return table
}

func churnTargets(nodes int, all rounds) []report.Target {
	var targets []report.Target
	for _, name := range []string{readsPods, readsFree} {
		what := fmt.Sprintf("p99 of filter, %d nodes, while %d pods a second come and go, a policy that %s, against calm", nodes, churnRate, name)
		targets = append(targets,
			report.AtMost(what, all.p99(name), 2),
			report.AtMost("the same over the growth for a policy that "+readsNone+", which is what the rest of the machine adds (an aim)", report.Ratio(all.p99(name), all.p99(readsNone)), 2),
		)
	}
	evaluations, classes := 0, 0
	for _, one := range all[readsNone] {
		evaluations += int(one.churn.evaluations)
		if one.churn.classes != one.calm.classes {
			classes++
		}
	}
	return append(targets,
		report.AtMost(fmt.Sprintf("the same for a policy that %s, over the growth of the %s handler's p99", readsNone, servers.Nothing), report.Ratio(all.p99(readsNone), all.p99(servers.Nothing)), 1.2),
		report.AtMost("processor time meanwhile against calm, the same policy", all.cpu(readsNone), 1.2),
		report.None(fmt.Sprintf("evaluations while pods come and go, a policy that %s", readsNone), evaluations),
		report.None("rounds in which the number of classes changed meanwhile, the same policy", classes),
	)
}
