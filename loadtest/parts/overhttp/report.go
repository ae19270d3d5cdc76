package overhttp

import (
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// cacheBytes is the default of cache.maxBytes.
const cacheBytes = 128 << 20

// addMemory adds the servers' resident memory in bytes: idle before the first
// request, reviewed after the reviews, loaded after the scheduler calls too.
func addMemory(made *report.Report, idle, reviewed, loaded map[string]int64) {
	for _, name := range compared {
		made.Memory = append(made.Memory, report.Memory{Server: name, Idle: idle[name], Reviewed: reviewed[name], Loaded: loaded[name]})
	}
	made.Targets = append(made.Targets,
		report.AtMost("resident memory before the first request, against "+servers.OPA, quotient(idle[servers.Verdict], idle[servers.OPA]), 1.5),
		report.AtMost("growth of resident memory under all of this load, against cache.maxBytes", quotient(loaded[servers.Verdict]-idle[servers.Verdict], cacheBytes), 1.3))
}

func quotient(over, under int64) report.Figure {
	return report.NewFigure([]float64{float64(over) / float64(max(under, 1))})
}

func named(s report.Scenario, what string) string {
	return s.Name + " (" + s.Protocol + "), " + what
}

func repeatedTargets(s report.Scenario) []report.Target {
	own, floor := s.Of(servers.Verdict), s.Of(servers.Nothing)
	return []report.Target{
		report.AtLeast(named(s, "requests/s against "+servers.Nothing), report.Ratio(own.PerSecond, floor.PerSecond), 0.90),
		report.AtMost(named(s, "CPU per request against "+servers.Nothing), report.Ratio(own.CPU, floor.CPU), 1.15),
	}
}

func otherBytesTargets(s report.Scenario) []report.Target {
	return []report.Target{report.AtLeast(named(s, "requests/s against "+servers.Nothing),
		report.Ratio(s.Of(servers.Verdict).PerSecond, s.Of(servers.Nothing).PerSecond), 0.75)}
}

func neverSeenTargets(s report.Scenario) []report.Target {
	return []report.Target{report.AtLeast(named(s, "requests/s against "+servers.OPA),
		report.Ratio(s.Of(servers.Verdict).PerSecond, s.Of(servers.OPA).PerSecond), 4.5)}
}

func tokenTargets(s report.Scenario) []report.Target {
	return []report.Target{report.AtLeast(named(s, "requests/s against "+servers.Nothing),
		report.Ratio(s.Of(servers.Verdict).PerSecond, s.Of(servers.Nothing).PerSecond), 0.85)}
}
