package overhttp

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// quantiles are those of the latencies that are reported.
var quantiles = []float64{50, 99, 99.9}

// measurement collects what is measured of one scenario, by server.
type measurement struct {
	clients        map[string][]load.Client
	perSecond, cpu map[string][]float64
	latencies      map[string]map[float64][]float64 // by quantile, in milliseconds
	unsent         map[string]int64
}

// measure runs one scenario: all rounds of the closed loop, and then all rounds
// at a rate that each server can hold.
func (r *run) measure(ctx context.Context, s scenario) (measured report.Scenario, err error) {
	measured = report.Scenario{
		Name: s.Name, About: s.About, Protocol: string(s.protocol),
		Connections: s.connections, BodyBytes: s.MeanBytes(),
	}
	m := &measurement{
		clients: map[string][]load.Client{}, perSecond: map[string][]float64{}, cpu: map[string][]float64{},
		latencies: map[string]map[float64][]float64{}, unsent: map[string]int64{},
	}
	for _, name := range compared {
		if m.clients[name], err = r.connect(ctx, s, name, s.connections); err != nil {
			return measured, err
		}
		defer func() { err = errors.Join(err, bench.CloseAll(m.clients[name])) }()
		if err := r.warm(ctx, s, name, m.clients[name]); err != nil {
			return measured, fmt.Errorf("%s: %w", name, err)
		}
		m.latencies[name] = map[float64][]float64{}
	}
	if err := r.inTurns(func(name string) error { return r.closedLoop(ctx, s, name, m) }); err != nil {
		return measured, err
	}
	measured.Rate = math.Inf(1)
	for _, name := range compared {
		measured.Rate = min(measured.Rate, r.Share*report.NewFigure(m.perSecond[name]).Median)
	}
	if err := r.inTurns(func(name string) error { return r.constantRate(ctx, s, name, measured.Rate, m) }); err != nil {
		return measured, err
	}
	for _, name := range compared {
		measured.Servers = append(measured.Servers, m.of(name))
		fmt.Fprintf(r.Progress, "%s, %s: %s %.0f/s\n", s.Name, string(s.protocol), name, report.NewFigure(m.perSecond[name]).Median)
	}
	return measured, nil
}

// closedLoop is one round in which a server is sent requests without a pause.
func (r *run) closedLoop(ctx context.Context, s scenario, name string, m *measurement) error {
	before, err := r.running[s.secure()][name].CPU()
	known := err == nil
	result, err := load.Closed(ctx, m.clients[name], Bodies(s.Workload, name), &r.Next, r.Duration)
	if err != nil {
		return err
	}
	m.perSecond[name] = append(m.perSecond[name], result.PerSecond())
	if after, err := r.running[s.secure()][name].CPU(); known && err == nil && result.Requests > 0 {
		m.cpu[name] = append(m.cpu[name], float64((after-before).Microseconds())/float64(result.Requests))
	}
	return nil
}

// constantRate is one round in which a server is sent so many requests a second.
func (r *run) constantRate(ctx context.Context, s scenario, name string, rate float64, m *measurement) error {
	result, err := load.ConstantRate(ctx, m.clients[name], Bodies(s.Workload, name), &r.Next, rate, r.Duration)
	if err != nil {
		return err
	}
	for _, q := range quantiles {
		m.latencies[name][q] = append(m.latencies[name][q], bench.Milliseconds(result.Latency.ValueAtQuantile(q)))
	}
	m.unsent[name] += result.Unsent
	return nil
}

// of sums up what was measured of one server.
func (m *measurement) of(name string) report.Measurement {
	quantile := func(q float64) report.Figure { return report.NewFigure(m.latencies[name][q]) }
	return report.Measurement{
		Server: name, PerSecond: report.NewFigure(m.perSecond[name]), CPU: report.NewFigure(m.cpu[name]),
		P50: quantile(50), P99: quantile(99), P999: quantile(99.9), Unsent: m.unsent[name],
	}
}

// warm asks a server for a while, and at least once for everything that is
// asked again later: what is measured is a server that runs, not one that starts.
func (r *run) warm(ctx context.Context, s scenario, name string, clients []load.Client) error {
	repeated := uint64(0)
	for _, sample := range s.Samples {
		if !sample.Unique() {
			repeated = uint64(len(s.Samples))
			break
		}
	}
	for began := r.Next.Load(); ; {
		if _, err := load.Closed(ctx, clients, Bodies(s.Workload, name), &r.Next, r.Warmup); err != nil {
			return err
		}
		if r.Next.Load()-began >= repeated {
			return nil
		}
	}
}

// inTurns calls turn for each server in every round. Each round begins with the
// next server.
func (r *run) inTurns(turn func(name string) error) error {
	for round := range r.Rounds {
		for i := range compared {
			name := compared[(round+i)%len(compared)]
			if err := turn(name); err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
		}
	}
	return nil
}

// Bodies are the requests of a workload in the form that the server called name takes.
func Bodies(w *generate.Workload, name string) load.Bodies {
	if name != servers.OPA {
		return w.Body
	}
	return func(buffer []byte, n uint64) []byte {
		buffer = append(buffer, `{"input":`...)
		return append(w.Body(buffer, n), '}')
	}
}
