// Package parts runs the parts of a load test. Each part is a folder of its own,
// which measures and adds to the report.
package parts

import (
	"context"
	"fmt"
	"strings"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/parts/authorization"
	"github.com/verdict-dev/verdict/loadtest/parts/badtokens"
	"github.com/verdict-dev/verdict/loadtest/parts/cluster"
	"github.com/verdict-dev/verdict/loadtest/parts/evaluators"
	"github.com/verdict-dev/verdict/loadtest/parts/filter"
	"github.com/verdict-dev/verdict/loadtest/parts/policyfiles"
	"github.com/verdict-dev/verdict/loadtest/parts/reload"
	"github.com/verdict-dev/verdict/loadtest/parts/scheduler"
	"github.com/verdict-dev/verdict/loadtest/parts/tokens"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// part is something that a run measures beside the workloads over HTTP.
type part struct {
	name string
	// add measures and adds the figures to the report.
	add func(context.Context, *bench.Bench, *report.Report) error
}

// parts are in the order in which they are measured, the longest last.
var parts = []part{
	{"reload", reload.Add},
	{"bad tokens", badtokens.Add},
	{"tokens in process", tokens.Add},
	{"evaluator", evaluators.Add},
	{"decide in process", authorization.Add},
	{"filter in process", filter.Add},
	{"policy files", policyfiles.Add},
	{"cluster", cluster.Add},
	{"kube-scheduler", scheduler.Add},
}

// Names lists the names of the parts, quoted, for a text.
func Names() string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = fmt.Sprintf("%q", p.name)
	}
	return strings.Join(names, ", ")
}

// choose returns the parts that the option Only chooses, and the names of the
// others.
func choose(o bench.Options) (chosen []part, left []string) {
	for _, p := range parts {
		if o.Chooses(p.name) {
			chosen = append(chosen, p)
		} else {
			left = append(left, p.name)
		}
	}
	return chosen, left
}
