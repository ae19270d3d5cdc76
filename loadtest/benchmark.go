package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// rivals are compared in this order.
var rivals = []string{servers.Verdict, servers.Nothing, servers.OPA}

// bench is one run.
type bench struct {
	options
	dir      string // for what is written
	issuer   *generate.Issuer
	files    generate.Files
	fleet    *servers.Fleet
	running  map[bool]map[string]*servers.Process // by TLS or not, by name
	progress io.Writer
	next     atomic.Uint64 // numbers the requests of all workloads
}

// benchmark runs everything and returns the report. What it does is told to
// progress.
func benchmark(ctx context.Context, o options, progress io.Writer) (_ *report.Report, err error) {
	began := time.Now()
	machine := thisMachine()
	issuer, err := generate.NewIssuer(began)
	if err != nil {
		return nil, err
	}
	chosen, leftScenarios, company, err := scenarios(o, issuer)
	if err != nil {
		return nil, err
	}
	others, left := chosenParts(o.only)
	if len(chosen)+len(others) == 0 {
		return nil, fmt.Errorf("-only %q: no workload is called so", o.only)
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
	fleet, err := servers.NewFleet(ctx, o.root, dir, files)
	if err != nil {
		return nil, err
	}
	b := &bench{
		options: o, dir: dir, issuer: issuer, files: files, fleet: fleet,
		running: map[bool]map[string]*servers.Process{false: {}, true: {}}, progress: progress,
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()

	made := &report.Report{
		Time: began, Machine: machine, Versions: fleet.Versions(),
		Service: servers.Verdict, Floor: servers.Nothing, Alternative: servers.OPA,
		Settings: map[string]string{
			"rounds":   fmt.Sprint(o.rounds),
			"duration": o.duration.String(),
			"share":    fmt.Sprintf("%.0f %%", 100*o.share),
			"opa":      fleet.OPASettings(),
			"data":     fmt.Sprintf("%d users, each with a token in the token file and a JWT, %d role bindings, half of them cluster-wide, and at most 8 per user or group", o.users, o.bindings),
		},
	}
	made.Versions["Go"] = runtime.Version()
	made.Left = left
	for _, s := range leftScenarios {
		made.Left = append(made.Left, s.Name+" ("+string(s.protocol)+")")
	}
	// What was measured before something fails is worth a report too.
	var failures []error
	if len(chosen) > 0 {
		failures = append(failures, b.overHTTP(ctx, chosen, made))
	}
	for _, p := range others {
		if err := p.measure(b, ctx, made); err != nil {
			made.Left = append(made.Left, p.name+", which failed")
			failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	made.Took = time.Since(began).Round(time.Second).String()
	return made, errors.Join(failures...)
}

// overHTTP measures the workloads, and the servers' memory before and after.
func (b *bench) overHTTP(ctx context.Context, chosen []scenario, made *report.Report) error {
	fmt.Fprintln(b.progress, "starting the servers")
	idle, outcomes, err := b.start(ctx, chosen)
	if err != nil {
		return err
	}
	reviewed := idle
	for i, s := range chosen {
		measured, err := b.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s over %s: %w", s.Name, s.protocol, err)
		}
		measured.Outcomes = outcomes[i]
		made.Scenarios = append(made.Scenarios, measured)
		if s.targets != nil {
			made.Targets = append(made.Targets, s.targets(measured)...)
		}
		if !strings.HasPrefix(s.Path, "/scheduler/") { // those come last
			if reviewed, err = b.resident(); err != nil {
				return err
			}
		}
	}
	loaded, err := b.resident()
	if err != nil {
		return err
	}
	for _, name := range rivals {
		made.Memory = append(made.Memory, report.Memory{Server: name, Idle: idle[name], Reviewed: reviewed[name], Loaded: loaded[name]})
	}
	made.Targets = append(made.Targets,
		report.AtMost("resident memory before the first request, against "+servers.OPA, quotient(idle[servers.Verdict], idle[servers.OPA]), 1.5),
		report.AtMost("growth of resident memory under all of this load, against cache.maxBytes", quotient(loaded[servers.Verdict]-idle[servers.Verdict], cacheBytes), 1.3))
	// The others are measured on a machine that does nothing else.
	b.running = map[bool]map[string]*servers.Process{false: {}, true: {}}
	return b.fleet.Stop()
}

// cacheBytes is the default of cache.maxBytes.
const cacheBytes = 128 << 20

func quotient(over, under int64) report.Figure {
	return report.NewFigure([]float64{float64(over) / float64(max(under, 1))})
}

// start starts every server the scenarios need. Verdict and OPA come first:
// they are compared with each other, and what verdict answers is what the
// do-nothing handler gives back. idle is what the servers occupied before they
// were asked anything.
func (b *bench) start(ctx context.Context, chosen []scenario) (idle map[string]int64, outcomes []map[string]int, err error) {
	secure := map[bool]bool{false: true} // memory is compared among the plain ones
	for _, s := range chosen {
		secure[s.secure()] = true
	}
	for _, name := range []string{servers.Verdict, servers.OPA} {
		for tls := range secure {
			if err := b.startOne(ctx, name, tls); err != nil {
				return nil, nil, err
			}
		}
	}
	if idle, err = b.resident(); err != nil { // before the first request
		return nil, nil, err
	}
	for _, s := range chosen {
		counts, answer, err := b.compare(ctx, s)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := b.fleet.SetAnswer(s.Path, answer); err != nil {
			return nil, nil, err
		}
		outcomes = append(outcomes, counts)
	}
	for tls := range secure {
		if err := b.startOne(ctx, servers.Nothing, tls); err != nil {
			return nil, nil, err
		}
	}
	nothing, err := b.resident()
	if err != nil {
		return nil, nil, err
	}
	idle[servers.Nothing] = nothing[servers.Nothing]
	return idle, outcomes, nil
}

func (b *bench) startOne(ctx context.Context, name string, secure bool) error {
	p, err := b.fleet.Start(ctx, name, secure)
	if err != nil {
		return err
	}
	b.running[secure][name] = p
	return nil
}

func (b *bench) resident() (map[string]int64, error) {
	occupied := map[string]int64{}
	for name, p := range b.running[false] {
		n, err := p.Resident()
		if err != nil && runtime.GOOS == "linux" {
			return nil, err
		}
		occupied[name] = n
	}
	return occupied, nil
}

// connect opens the scenario's connections to one server.
func (b *bench) connect(ctx context.Context, s scenario, name string, count int) ([]load.Client, error) {
	path, version := s.Path, 1
	if s.protocol == secureTwo {
		version = 2
	}
	if name == servers.OPA {
		version = 1 // with TLS, OPA's server does not offer HTTP/2
		path = "/v1/data/" + s.Rule
	}
	address := b.running[s.secure()][name].Address
	var clients []load.Client
	for range count {
		if s.secure() {
			clients = append(clients, load.NewTLS(address, path, b.fleet.Certificate().Roots, version))
			continue
		}
		client, err := load.DialHTTP1(ctx, address, path)
		if err != nil {
			return nil, errors.Join(err, closeAll(clients))
		}
		clients = append(clients, client)
	}
	return clients, nil
}

func closeAll(clients []load.Client) error {
	var all []error
	for _, c := range clients {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}

// bodies are the scenario's requests in the form that a server takes.
func bodies(s scenario, name string) load.Bodies {
	if name != servers.OPA {
		return s.Body
	}
	return func(buffer []byte, n uint64) []byte {
		buffer = append(buffer, `{"input":`...)
		return append(s.Body(buffer, n), '}')
	}
}

// compare asks verdict and OPA the same. They have to agree; how often each
// outcome came up is returned, with an answer of verdict's.
func (b *bench) compare(ctx context.Context, s scenario) (_ map[string]int, answer []byte, err error) {
	ask := map[string]load.Client{}
	for _, name := range []string{servers.Verdict, servers.OPA} {
		clients, err := b.connect(ctx, s, name, 1)
		if err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, closeAll(clients)) }()
		ask[name] = clients[0]
	}
	counts := map[string]int{}
	for n := range min(uint64(len(s.Samples)), 500) {
		var own, other bytes.Buffer
		if err := ask[servers.Verdict].Do(bodies(s, servers.Verdict)(nil, n), &own); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", servers.Verdict, err)
		}
		if err := ask[servers.OPA].Do(bodies(s, servers.OPA)(nil, n), &other); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", servers.OPA, err)
		}
		outcomes, err := agree(s.Path, own.Bytes(), other.Bytes())
		if err != nil {
			return nil, nil, fmt.Errorf("request %d: %w", n, err)
		}
		for name, count := range outcomes {
			counts[name] += count
		}
		answer = own.Bytes()
	}
	b.next.Store(uint64(len(s.Samples))) // never-seen requests stay so
	return counts, answer, nil
}

// measure runs one scenario: all rounds of the closed loop, and then all rounds
// at a rate that each server can hold.
func (b *bench) measure(ctx context.Context, s scenario) (measured report.Scenario, err error) {
	measured = report.Scenario{
		Name: s.Name, About: s.About, Protocol: string(s.protocol),
		Connections: s.connections, BodyBytes: s.MeanBytes(),
	}
	clients := map[string][]load.Client{}
	for _, name := range rivals {
		if clients[name], err = b.connect(ctx, s, name, s.connections); err != nil {
			return measured, err
		}
		defer func() { err = errors.Join(err, closeAll(clients[name])) }()
		if err := b.warm(ctx, s, name, clients[name]); err != nil {
			return measured, fmt.Errorf("%s: %w", name, err)
		}
	}

	perSecond, cpu := map[string][]float64{}, map[string][]float64{}
	err = b.rounds(func(name string) error {
		before, err := b.running[s.secure()][name].CPU()
		known := err == nil
		result, err := load.Closed(ctx, clients[name], bodies(s, name), &b.next, b.duration)
		if err != nil {
			return err
		}
		perSecond[name] = append(perSecond[name], result.PerSecond())
		if after, err := b.running[s.secure()][name].CPU(); known && err == nil && result.Requests > 0 {
			cpu[name] = append(cpu[name], float64((after-before).Microseconds())/float64(result.Requests))
		}
		return nil
	})
	if err != nil {
		return measured, err
	}
	measured.Rate = math.Inf(1)
	for _, name := range rivals {
		measured.Rate = min(measured.Rate, b.share*report.NewFigure(perSecond[name]).Median)
	}

	latencies := map[string]map[float64][]float64{}
	unsent := map[string]int64{}
	quantiles := []float64{50, 99, 99.9}
	for _, name := range rivals {
		latencies[name] = map[float64][]float64{}
	}
	err = b.rounds(func(name string) error {
		result, err := load.ConstantRate(ctx, clients[name], bodies(s, name), &b.next, measured.Rate, b.duration)
		if err != nil {
			return err
		}
		for _, q := range quantiles {
			latencies[name][q] = append(latencies[name][q], float64(result.Latency.ValueAtQuantile(q))/float64(time.Millisecond))
		}
		unsent[name] += result.Unsent
		return nil
	})
	if err != nil {
		return measured, err
	}
	for _, name := range rivals {
		measured.Servers = append(measured.Servers, report.Measurement{
			Server: name, PerSecond: report.NewFigure(perSecond[name]), CPU: report.NewFigure(cpu[name]),
			P50: report.NewFigure(latencies[name][50]), P99: report.NewFigure(latencies[name][99]),
			P999: report.NewFigure(latencies[name][99.9]), Unsent: unsent[name],
		})
		fmt.Fprintf(b.progress, "%s, %s: %s %.0f/s\n", s.Name, string(s.protocol), name, report.NewFigure(perSecond[name]).Median)
	}
	return measured, nil
}

// warm asks a server for a while, and at least once for everything that is
// asked again later: what is measured is a server that runs, not one that starts.
func (b *bench) warm(ctx context.Context, s scenario, name string, clients []load.Client) error {
	repeated := uint64(0)
	for _, sample := range s.Samples {
		if !sample.Unique() {
			repeated = uint64(len(s.Samples))
			break
		}
	}
	for began := b.next.Load(); ; {
		if _, err := load.Closed(ctx, clients, bodies(s, name), &b.next, b.warmup); err != nil {
			return err
		}
		if b.next.Load()-began >= repeated {
			return nil
		}
	}
}

// rounds lets the servers take turns; the one to begin moves on.
func (b *bench) rounds(turn func(name string) error) error {
	for round := range b.options.rounds {
		for i := range rivals {
			name := rivals[(round+i)%len(rivals)]
			if err := turn(name); err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
		}
	}
	return nil
}
