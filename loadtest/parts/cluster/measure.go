package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/controlplane"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// measured is what one round measures of one policy.
type measured struct {
	ready       float64 // seconds from the start of the process
	resident    float64 // MiB
	calm, churn interval
	podsASecond float64 // created in a second, under churn
}

// spell is what filter calls took for a while.
type interval struct {
	p50, p99    float64 // milliseconds
	cpu         float64 // of verdict, milliseconds in a second
	calls       float64
	classes     float64
	evaluations float64
}

// takeTurns lets the policies take turns, and with churn the do-nothing handler too.
func (r *run) takeTurns(ctx context.Context, count int, churn bool) (rounds, error) {
	out := rounds{}
	policies := cases()
	for round := range count {
		var answer []byte
		for i := range policies {
			name := policies[(round+i)%len(policies)].name
			one, given, err := r.round(ctx, name, churn)
			if err != nil {
				return nil, fmt.Errorf("%d nodes, %s, round %d: %w", r.filled, name, round+1, err)
			}
			answer = given
			out[name] = append(out[name], one)
			r.printProgress(name, one, churn)
		}
		if !churn {
			continue
		}
		one, err := r.roundOfNothing(ctx, answer)
		if err != nil {
			return nil, fmt.Errorf("%d nodes, %s, round %d: %w", r.filled, servers.Nothing, round+1, err)
		}
		out[servers.Nothing] = append(out[servers.Nothing], one)
		r.printProgress(servers.Nothing, one, churn)
	}
	return out, nil
}

func (r *run) printProgress(name string, one measured, churn bool) {
	fmt.Fprintf(r.Progress, "cluster: %d nodes, %s: ready in %.1f s, %.0f MiB, p50 %.2f ms, p99 %.2f ms", r.filled, name, one.ready, one.resident, one.calm.p50, one.calm.p99)
	if churn {
		fmt.Fprintf(r.Progress, "; with %.0f pods/s p50 %.2f ms, p99 %.2f ms, %.0f evaluations", one.podsASecond, one.churn.p50, one.churn.p99, one.churn.evaluations)
	}
	fmt.Fprintln(r.Progress)
}

func (r *run) round(ctx context.Context, name string, churn bool) (one measured, answer []byte, err error) {
	fleet, process, ready, err := r.start(ctx, name)
	if err != nil {
		return one, nil, err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()
	one.ready = ready.Seconds()
	time.Sleep(settle)
	if one.resident, err = residentMiB(process); err != nil {
		return one, nil, err
	}
	if answer, err = r.warm(ctx, process); err != nil {
		return one, nil, err
	}
	return one, answer, r.intervals(ctx, process, &one, churn)
}

// roundOfNothing measures the handler that does nothing but give an answer.
func (r *run) roundOfNothing(ctx context.Context, answer []byte) (one measured, err error) {
	fleet := r.Fleet.Over(r.dir, r.policies[readsNone])
	if err := fleet.SetAnswer(r.filter.Path, answer); err != nil {
		return one, err
	}
	process, err := fleet.Start(ctx, servers.Nothing, false)
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()
	process.Operations = "" // it has none
	return one, r.intervals(ctx, process, &one, true)
}

// meet asks about each pod twice, which every policy decides then.
func (r *run) warm(ctx context.Context, process *servers.Process) (_ []byte, err error) {
	client, err := r.dial(ctx, process)()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var answer bytes.Buffer
	for n := range uint64(2 * len(r.filter.Samples)) {
		answer.Reset()
		if err := client.Do(r.filter.Body(nil, n), &answer); err != nil {
			return nil, err
		}
	}
	return answer.Bytes(), nil
}

func (r *run) dial(ctx context.Context, process *servers.Process) func() (load.Client, error) {
	return func() (load.Client, error) {
		client, err := load.DialHTTP1(ctx, process.Address, r.filter.Path)
		if err != nil {
			return nil, err
		}
		return &bench.Checked{Client: client, Check: checkPlaced}, nil
	}
}

// checkPlaced returns an error, which ends the run, when the answer to a filter call has
// an Error or accepts no node.
func checkPlaced(answer []byte) error {
	at := bytes.Index(answer, []byte(`"error":"`))
	if at >= 0 && !bytes.HasPrefix(answer[at:], []byte(`"error":""`)) {
		return fmt.Errorf("a filter call was answered with an error: %.300s", answer[at:])
	}
	if !bytes.Contains(answer, []byte(`"worker-`)) {
		return fmt.Errorf("a filter call named no node: %.300s", answer)
	}
	return nil
}

// spells asks at a constant rate: for a while in calm, then while pods come and
// go.
func (r *run) intervals(ctx context.Context, process *servers.Process, one *measured, churn bool) (err error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		samples []load.Sample
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		// A scheduler asks over one connection.
		samples, err := load.Timeline(asking, r.dial(ctx, process), 1, r.filter.Body, new(atomic.Uint64), filterRate)
		done <- outcome{samples, err}
	}()
	var windows []window
	watch := func(s *interval) error {
		w, err := r.watch(ctx, process, s)
		windows = append(windows, w)
		return err
	}
	time.Sleep(settling)
	err = watch(&one.calm)
	if err == nil && churn {
		err = r.during(ctx, one, func() error { return watch(&one.churn) })
	}
	stop()
	asked := <-done
	if err := errors.Join(err, asked.err); err != nil {
		return err
	}
	for i, w := range windows {
		s := []*interval{&one.calm, &one.churn}[i]
		latency, failed := load.Between(asked.samples, w.from, w.until)
		if failed > 0 {
			return fmt.Errorf("%d of %d filter calls failed: %w", failed, latency.TotalCount(), firstFailure(asked.samples))
		}
		s.p50, s.p99 = bench.Milliseconds(latency.ValueAtQuantile(50)), bench.Milliseconds(latency.ValueAtQuantile(99))
		s.calls = float64(latency.TotalCount())
	}
	return nil
}

func firstFailure(samples []load.Sample) error {
	for _, s := range samples {
		if s.Err != nil {
			return s.Err
		}
	}
	return nil
}

// during calls measure while pods come and go.
func (r *run) during(ctx context.Context, one *measured, measure func() error) error {
	churning, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		churned controlplane.Churned
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		churned, err := controlplane.Churn{Client: r.client, Nodes: r.nodes[:r.filled], FirstPod: r.nextPod, PerSecond: churnRate, Seed: r.Seed}.Run(churning)
		done <- outcome{churned, err}
	}()
	time.Sleep(churnSettle)
	err := measure()
	stop()
	ended := <-done
	r.nextPod += ended.churned.Pods
	one.podsASecond = ended.churned.PerSecond()
	return errors.Join(err, ended.err)
}

// watch waits for a window to pass, and sets what the server did in it.
func (r *run) watch(ctx context.Context, process *servers.Process, s *interval) (w window, err error) {
	before, err := r.work(ctx, process)
	if err != nil {
		return w, err
	}
	used, err := bench.ProcessorTime(process)
	if err != nil {
		return w, err
	}
	w.from = time.Now()
	time.Sleep(r.window)
	w.until = time.Now()
	usedThen, err := bench.ProcessorTime(process)
	if err != nil {
		return w, err
	}
	after, err := r.work(ctx, process)
	s.cpu = bench.Milliseconds(int64(usedThen-used)) / w.until.Sub(w.from).Seconds()
	s.evaluations = after.evaluations - before.evaluations
	if nodes := after.nodes - before.nodes; nodes > 0 {
		s.classes = (after.classes - before.classes) / nodes * float64(r.filled)
	}
	return w, err
}

// work is what the metrics of verdict count for filter calls.
type work struct{ nodes, classes, evaluations float64 }

func (r *run) work(ctx context.Context, process *servers.Process) (w work, err error) {
	if process.Operations == "" {
		return w, nil
	}
	text, err := bench.Metrics(ctx, process)
	if err != nil {
		return w, err
	}
	of := func(kind string) float64 {
		return bench.SumOf(text, "verdict_scheduling_work_total", `verb="filter"`, `kind="`+kind+`"`)
	}
	return work{nodes: of("nodes"), classes: of("classes"), evaluations: of("evaluations")}, nil
}
