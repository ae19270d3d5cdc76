package badtokens

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const section = "Floods of bad tokens"

// report adds the rounds of each server.
func (f *flood) report(rounds map[string][]measured, made *report.Report) {
	figure := func(name string, of func(measured) float64) report.Figure {
		var values []float64
		for _, one := range rounds[name] {
			values = append(values, of(one))
		}
		return report.NewFigure(values)
	}
	own := func(of func(measured) float64) report.Figure { return figure(servers.Verdict, of) }
	calm, slow, fast := func(r measured) float64 { return r.calm }, func(r measured) float64 { return r.slow }, func(r measured) float64 { return r.fast }
	refused, verified, undecided, asked := 0, 0.0, int64(0), int64(0)
	for _, one := range rounds[servers.Verdict] {
		refused += one.refused
		verified += one.verified
		undecided += one.undecided
		asked = max(asked, one.asked)
	}
	about := fmt.Sprintf("%s: %d times a second in all, while another client sends tokens over %d connections. %s. "+
		"Every round has a server of its own, to which all of them are new.", f.good.About, goodRate, badConnections, f.bad.About)
	compare := func(name, more string, of func(measured) float64) report.Comparison {
		c := report.Comparison{Section: section, Name: name, Unit: "ms", About: about + more}
		for _, server := range f.compared {
			c.Entries = append(c.Entries,
				report.Entry{Name: server + ", flooded", Figure: figure(server, of)}, report.Entry{Name: server + ", calm", Figure: figure(server, calm)})
		}
		return c
	}
	growth := report.Comparison{
		Section: section, Name: fmt.Sprintf("growth of resident memory by %d %s", f.count, f.name), Unit: "MiB",
		About: "From before the fast flood to its end, garbage included.",
	}
	for _, server := range f.compared {
		growth.Entries = append(growth.Entries, report.Entry{Name: server, Figure: figure(server, func(r measured) float64 { return r.growth })})
	}
	made.Comparisons = append(made.Comparisons,
		compare(fmt.Sprintf("p99 of good users, %d %s as fast as they are answered", f.count, f.name),
			fmt.Sprintf(" Verdict answered %.0f bad ones a second, and could not tell of %d. In all rounds %d requests of good users were not let in, and their tokens were verified %.0f times after the first. "+
				"The issuer was asked %d times at most in a round.", own(func(r measured) float64 { return r.perSecond }).Median, undecided, refused, verified, asked), fast),
		compare(fmt.Sprintf("p99 of good users, %d %s a second", badRate, f.name), " That is the rate of 60,000 in five minutes.", slow),
		growth)
	if f.count == f.BadTokens { // of the others there is no target
		made.Targets = append(made.Targets,
			report.AtMost(fmt.Sprintf("p99 of %d users while %d %s come as fast as they are answered, against calm", goodUsers, f.count, f.name), report.Ratio(own(fast), own(calm)), 2))
	}
	made.Targets = append(made.Targets,
		report.None(fmt.Sprintf("requests of good users that were not let in during a flood of %s", f.name), refused),
		report.None(fmt.Sprintf("good tokens that were verified again during a flood of %s", f.name), int(verified)),
	)
}
