// Package overhttp measures workloads over HTTP: verdict, a handler that does
// nothing, and OPA's server are sent the same requests in turns.
package overhttp

import (
	"context"
	"fmt"
	"strings"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// compared are the servers, in the order in which they are compared.
var compared = []string{servers.Verdict, servers.Nothing, servers.OPA}

// Workloads are those that the options choose.
type Workloads struct{ chosen, left []scenario }

// New generates the workloads. The tokens in them are of company, whose JWTs
// issuer signs.
func New(o bench.Options, company *generate.Company, issuer *generate.Issuer) (Workloads, error) {
	all, err := scenarios(o, company, issuer)
	if err != nil {
		return Workloads{}, err
	}
	var w Workloads
	for _, s := range all {
		if o.Chooses(s.Name) {
			w.chosen = append(w.chosen, s)
		} else {
			w.left = append(w.left, s)
		}
	}
	return w, nil
}

// Empty reports whether there is nothing to measure.
func (w Workloads) Empty() bool { return len(w.chosen) == 0 }

// Left lists the workloads that the options do not choose.
func (w Workloads) Left() []string {
	var names []string
	for _, s := range w.left {
		names = append(names, s.Name+" ("+string(s.protocol)+")")
	}
	return names
}

// Add measures the workloads, and the servers' memory before and after.
func (w Workloads) Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	r := &run{Bench: b, running: map[bool]map[string]*servers.Process{false: {}, true: {}}}
	fmt.Fprintln(b.Progress, "starting the servers")
	idle, outcomes, err := r.start(ctx, w.chosen)
	if err != nil {
		return err
	}
	reviewed := idle
	for i, s := range w.chosen {
		measured, err := r.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s over %s: %w", s.Name, s.protocol, err)
		}
		measured.Outcomes = outcomes[i]
		made.Scenarios = append(made.Scenarios, measured)
		if s.targets != nil {
			made.Targets = append(made.Targets, s.targets(measured)...)
		}
		if !strings.HasPrefix(s.Path, "/scheduler/") { // those come last
			if reviewed, err = r.resident(); err != nil {
				return err
			}
		}
	}
	loaded, err := r.resident()
	if err != nil {
		return err
	}
	addMemory(made, idle, reviewed, loaded)
	// The other parts are measured on a machine that does nothing else.
	return b.Fleet.Stop()
}
