package reload

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const section = "Reloading under load"

func (r *reloads) report(measured map[string]*figures, made *report.Report) {
	about := fmt.Sprintf("%d role bindings are replaced, at %.0f SubjectAccessReviews a second, 1 in 10 never seen: verdict's by renaming a file, %s by a PUT of the same document.",
		roleBindings, r.rate, servers.OPA+"'s")
	compare := func(name, more string, of func(*figures) []float64) report.Comparison {
		c := report.Comparison{Section: section, Name: name, Unit: "ms", About: about + more}
		for _, server := range compared {
			c.Entries = append(c.Entries, report.Entry{Name: server, Figure: report.NewFigure(of(measured[server]))})
		}
		made.Comparisons = append(made.Comparisons, c)
		return c
	}
	during := compare("p99 during a reload", fmt.Sprintf(" Requests due from the start of the reload to its swap. Failed requests: %s %d, %s %d.",
		servers.Verdict, measured[servers.Verdict].failed, servers.OPA, measured[servers.OPA].failed), func(f *figures) []float64 { return f.during })
	before := compare("p99 before a reload", " Requests due before it starts.", func(f *figures) []float64 { return f.before })
	compare("from the start of a reload to its swap", " Verdict's includes noticing the file and is seen at /metrics, which is asked every "+poll.String()+".",
		func(f *figures) []float64 { return f.took })
	made.Targets = append(made.Targets,
		report.AtMost(fmt.Sprintf("p99 from the start of a reload of %d bindings to its swap, against %s", roleBindings, servers.OPA), during.Against(servers.OPA), 0.5),
		report.AtMost("the same against verdict's p99 before the reload (an aim)", report.Ratio(during.Of(servers.Verdict), before.Of(servers.Verdict)), 2),
		report.None("requests to verdict that failed meanwhile", measured[servers.Verdict].failed),
	)
}
