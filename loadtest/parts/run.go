package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/parts/overhttp"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// Run measures everything that the options choose and returns the report. It
// writes to progress what it does. With an error, the report holds what was
// measured all the same; it is nil when nothing was.
func Run(ctx context.Context, o bench.Options, progress io.Writer) (_ *report.Report, err error) {
	began := time.Now()
	machine := thisMachine()
	issuer, err := generate.NewIssuer(began)
	if err != nil {
		return nil, err
	}
	company, err := generate.NewCompany(generate.Size{Users: o.Users, Bindings: o.Bindings, Namespaces: bench.Namespaces}, o.Seed)
	if err != nil {
		return nil, err
	}
	workloads, err := overhttp.New(o, company, issuer)
	if err != nil {
		return nil, err
	}
	others, left := choose(o)
	if workloads.Empty() && len(others) == 0 {
		return nil, fmt.Errorf("-only %q: no workload is called so", o.Only)
	}
	dir, err := os.MkdirTemp("", "verdict-loadtest-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	files, err := generate.WriteFiles(dir, company, issuer)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(progress, "building verdict and opa")
	fleet, err := servers.NewFleet(ctx, o.Root, dir, files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()
	b := &bench.Bench{Options: o, Dir: dir, Issuer: issuer, Files: files, Fleet: fleet, Progress: progress}

	made := newReport(b, began, machine)
	made.Left = slices.Concat(left, workloads.Left())
	// What was measured before something fails is worth a report too.
	var failures []error
	if !workloads.Empty() {
		failures = append(failures, workloads.Add(ctx, b, made))
	}
	for _, p := range others {
		if err := p.add(ctx, b, made); err != nil {
			made.Left = append(made.Left, p.name+", which failed")
			failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	made.Took = time.Since(began).Round(time.Second).String()
	return made, errors.Join(failures...)
}

// newReport is a report without figures.
func newReport(b *bench.Bench, began time.Time, machine report.Machine) *report.Report {
	made := &report.Report{
		Time: began, Machine: machine, Versions: b.Fleet.Versions(),
		Service: servers.Verdict, Floor: servers.Nothing, Alternative: servers.OPA,
		Settings: map[string]string{
			"rounds":   fmt.Sprint(b.Rounds),
			"duration": b.Duration.String(),
			"share":    fmt.Sprintf("%.0f %%", 100*b.Share),
			"opa":      b.Fleet.OPASettings(),
			"data":     fmt.Sprintf("%d users, each with a token in the token file and a JWT, %d role bindings, half of them cluster-wide, and at most 8 per user or group", b.Users, b.Bindings),
		},
	}
	made.Versions["Go"] = runtime.Version()
	return made
}
