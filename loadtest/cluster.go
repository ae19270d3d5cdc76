package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/verdict-dev/verdict/loadtest/cluster"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	// churnRate is how many pods are created in a second, and how many deleted.
	churnRate = 100
	// filterRate is how many filter calls there are in a second.
	filterRate = 50
	// clusterPodSpecs are what the pods in those calls are drawn from.
	clusterPodSpecs = 20
	// clusterSettle passes before memory is taken and before the calm: what was
	// listed is garbage then, and collected.
	clusterSettle = 2 * time.Second
	// churnSettle passes before the latency under churn is taken: until then pods
	// come and none go.
	churnSettle = 1500 * time.Millisecond
)

// clusterCase is a policy that is measured on a cluster.
type clusterCase struct {
	name   string
	policy *generate.File // beside the starter policies; nil for none
}

// clusterCases are measured in this order; the one that reads no state is last.
// Each is also compared with the do-nothing handler.
func clusterCases() []clusterCase {
	neighbours, free := generate.NeighboursPolicy(), generate.FreePolicy()
	return []clusterCase{
		{readsPods, &neighbours},
		{readsFree, &free},
		{readsNone, nil},
	}
}

const (
	readsPods = "reads state.pods"
	readsFree = "reads state.free"
	readsNone = "reads no state"
)

// clusterBench measures verdict over a real API server.
type clusterBench struct {
	*bench
	dir      string
	plane    *cluster.ControlPlane
	client   corev1client.CoreV1Interface
	nodes    []corev1.Node // all that there will be
	filled   int           // of nodes, those that are in the API server
	nextPod  int           // pods before it were created once
	policies map[string]generate.Files
	filter   *generate.Workload // names all that are in the API server
	window   time.Duration
}

// clustered is what one round measured of one policy.
type clustered struct {
	ready       float64 // seconds from the start of the process
	resident    float64 // MiB
	calm, churn spell
	podsASecond float64 // that came, under churn
}

// spell is what filter calls took for a while.
type spell struct {
	p50, p99    float64 // milliseconds
	cpu         float64 // of verdict, milliseconds in a second
	calls       float64
	classes     float64
	evaluations float64
}

// measureCluster fills a real API server step by step, and at each step starts
// verdict with each policy anew in every round. Calm and churn are compared where
// there are -cluster-nodes.
func (b *bench) measureCluster(ctx context.Context, made *report.Report) (err error) {
	c := &clusterBench{bench: b, dir: filepath.Join(b.dir, "cluster"), policies: map[string]generate.Files{}, window: max(5*b.duration, time.Second)}
	if err := c.write(); err != nil {
		return err
	}
	fmt.Fprintln(b.progress, "cluster: starting etcd and kube-apiserver (minutes when nothing is cached)")
	if c.plane, err = cluster.Start(ctx, b.root, c.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.plane.Stop()) }()
	if c.client, err = c.plane.Client(); err != nil {
		return err
	}
	c.nodes = generate.Nodes(3*b.clusterNodes, b.seed)
	growth := newClusterGrowth()
	for _, nodes := range []int{b.clusterNodes / 10, b.clusterNodes, 3 * b.clusterNodes} {
		if err := c.fill(ctx, nodes); err != nil {
			return err
		}
		if nodes != b.clusterNodes {
			rounds, err := c.rounds(ctx, (b.options.rounds+1)/2, false)
			if err != nil {
				return err
			}
			growth.add(nodes, rounds)
			continue
		}
		idle, err := c.idle(ctx)
		if err != nil {
			return err
		}
		rounds, err := c.rounds(ctx, b.options.rounds, true)
		if err != nil {
			return err
		}
		growth.add(nodes, rounds)
		c.report(idle, rounds, made)
	}
	made.Curves = append(made.Curves, growth.curves()...)
	return nil
}

// write writes the policies.
func (c *clusterBench) write() error {
	// Their data is small: the cluster is what takes memory.
	company, err := generate.NewCompany(generate.Size{Users: goodUsers, Bindings: goodUsers, Namespaces: namespaces}, c.seed)
	if err != nil {
		return err
	}
	for _, each := range clusterCases() {
		files, err := generate.WriteFiles(filepath.Join(c.dir, each.name), company, c.issuer)
		if err != nil {
			return err
		}
		if each.policy != nil {
			if err := os.WriteFile(filepath.Join(files.Verdict, each.policy.Path), each.policy.Text, 0o600); err != nil {
				return fmt.Errorf("writing a policy: %w", err)
			}
		}
		c.policies[each.name] = files
	}
	return nil
}

// fill brings the API server to so many nodes, and pods in proportion.
func (c *clusterBench) fill(ctx context.Context, nodes int) (err error) {
	more := c.nodes[c.filled:nodes]
	pods := len(more) * c.clusterPods / c.clusterNodes
	began := time.Now()
	if err := cluster.Fill(ctx, c.client, more, c.nextPod, pods, c.seed); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Fprintf(c.progress, "cluster: created %d nodes and %d pods in %v, %.0f/s\n", len(more), pods, took.Round(time.Second), float64(len(more)+pods)/took.Seconds())
	c.filled, c.nextPod = nodes, c.nextPod+pods
	c.filter, _, err = generate.Placements(c.nodes[:nodes], generate.NodeNames, generate.KnownSpecs, clusterPodSpecs, c.seed)
	return err
}

// start starts verdict with a policy and returns how long that took.
func (c *clusterBench) start(ctx context.Context, name string) (*servers.Fleet, *servers.Process, time.Duration, error) {
	fleet := c.fleet.Over(filepath.Join(c.dir, name), c.policies[name])
	fleet.SetCluster(c.plane.Verdict)
	began := time.Now()
	process, err := fleet.Start(ctx, servers.Verdict, false)
	return fleet, process, time.Since(began), err
}

// idle is the processor time that verdict takes while nothing happens, in
// milliseconds a second, and its resident memory afterwards, in MiB, by policy.
// All are idle at once.
func (c *clusterBench) idle(ctx context.Context) (_ map[string][2]float64, err error) {
	running := map[string]*servers.Process{}
	before := map[string]time.Duration{}
	for _, each := range clusterCases() {
		fleet, process, _, err := c.start(ctx, each.name)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, fleet.Stop()) }()
		running[each.name] = process
	}
	time.Sleep(clusterSettle)
	for name, process := range running {
		if before[name], err = processorTime(process); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	time.Sleep(c.clusterIdle)
	out := map[string][2]float64{}
	for name, process := range running {
		after, err := processorTime(process)
		if err != nil {
			return nil, err
		}
		memory, err := c.occupied(process)
		if err != nil {
			return nil, err
		}
		out[name] = [2]float64{milliseconds(int64(after-before[name])) / time.Since(began).Seconds(), memory}
		fmt.Fprintf(c.progress, "cluster: %s, idle %.2f ms of processor time a second, %.0f MiB\n", name, out[name][0], out[name][1])
	}
	return out, nil
}

func processorTime(process *servers.Process) (time.Duration, error) {
	used, err := process.CPU()
	if err != nil && runtime.GOOS == "linux" {
		return 0, err
	}
	return used, nil
}

// occupied is a server's resident memory in MiB.
func (*clusterBench) occupied(process *servers.Process) (float64, error) {
	n, err := process.Resident()
	if err != nil && runtime.GOOS == "linux" {
		return 0, err
	}
	return float64(n) / (1 << 20), nil
}

// rounds lets the policies take turns, and with churn the do-nothing handler too.
func (c *clusterBench) rounds(ctx context.Context, count int, churn bool) (map[string][]clustered, error) {
	out := map[string][]clustered{}
	cases := clusterCases()
	for round := range count {
		var answer []byte
		for i := range cases {
			name := cases[(round+i)%len(cases)].name
			one, given, err := c.round(ctx, name, churn)
			if err != nil {
				return nil, fmt.Errorf("%d nodes, %s, round %d: %w", c.filled, name, round+1, err)
			}
			answer = given
			out[name] = append(out[name], one)
			c.say(name, one, churn)
		}
		if !churn {
			continue
		}
		one, err := c.roundOfNothing(ctx, answer)
		if err != nil {
			return nil, fmt.Errorf("%d nodes, %s, round %d: %w", c.filled, servers.Nothing, round+1, err)
		}
		out[servers.Nothing] = append(out[servers.Nothing], one)
		c.say(servers.Nothing, one, churn)
	}
	return out, nil
}

func (c *clusterBench) say(name string, one clustered, churn bool) {
	fmt.Fprintf(c.progress, "cluster: %d nodes, %s: ready in %.1f s, %.0f MiB, p50 %.2f ms, p99 %.2f ms", c.filled, name, one.ready, one.resident, one.calm.p50, one.calm.p99)
	if churn {
		fmt.Fprintf(c.progress, "; with %.0f pods/s p50 %.2f ms, p99 %.2f ms, %.0f evaluations", one.podsASecond, one.churn.p50, one.churn.p99, one.churn.evaluations)
	}
	fmt.Fprintln(c.progress)
}

func (c *clusterBench) round(ctx context.Context, name string, churn bool) (one clustered, answer []byte, err error) {
	fleet, process, ready, err := c.start(ctx, name)
	if err != nil {
		return one, nil, err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()
	one.ready = ready.Seconds()
	time.Sleep(clusterSettle)
	if one.resident, err = c.occupied(process); err != nil {
		return one, nil, err
	}
	if answer, err = c.meet(ctx, process); err != nil {
		return one, nil, err
	}
	return one, answer, c.spells(ctx, process, &one, churn)
}

// roundOfNothing measures the handler that does nothing but give an answer.
func (c *clusterBench) roundOfNothing(ctx context.Context, answer []byte) (one clustered, err error) {
	fleet := c.fleet.Over(c.dir, c.policies[readsNone])
	if err := fleet.SetAnswer(c.filter.Path, answer); err != nil {
		return one, err
	}
	process, err := fleet.Start(ctx, servers.Nothing, false)
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()
	process.Operations = "" // it has none
	return one, c.spells(ctx, process, &one, true)
}

// meet asks about each pod twice, which every policy decides then.
func (c *clusterBench) meet(ctx context.Context, process *servers.Process) (_ []byte, err error) {
	client, err := c.dial(ctx, process)()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var answer bytes.Buffer
	for n := range uint64(2 * len(c.filter.Samples)) {
		answer.Reset()
		if err := client.Do(c.filter.Body(nil, n), &answer); err != nil {
			return nil, err
		}
	}
	return answer.Bytes(), nil
}

func (c *clusterBench) dial(ctx context.Context, process *servers.Process) func() (load.Client, error) {
	return func() (load.Client, error) {
		client, err := load.DialHTTP1(ctx, process.Address, c.filter.Path)
		if err != nil {
			return nil, err
		}
		return &checked{Client: client, check: checkPlaced}, nil
	}
}

// checkPlaced ends the run when a filter call is answered with an Error, or lets
// the pod go nowhere.
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
func (c *clusterBench) spells(ctx context.Context, process *servers.Process, one *clustered, churn bool) (err error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		samples []load.Sample
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		// A scheduler asks over one connection.
		samples, err := load.Timeline(asking, c.dial(ctx, process), 1, c.filter.Body, new(atomic.Uint64), filterRate)
		done <- outcome{samples, err}
	}()
	var windows []window
	watch := func(s *spell) error {
		w, err := c.watch(ctx, process, s)
		windows = append(windows, w)
		return err
	}
	time.Sleep(settling)
	err = watch(&one.calm)
	if err == nil && churn {
		err = c.during(ctx, one, func() error { return watch(&one.churn) })
	}
	stop()
	asked := <-done
	if err := errors.Join(err, asked.err); err != nil {
		return err
	}
	for i, w := range windows {
		s := []*spell{&one.calm, &one.churn}[i]
		latency, failed := load.Between(asked.samples, w.from, w.until)
		if failed > 0 {
			return fmt.Errorf("%d of %d filter calls failed: %w", failed, latency.TotalCount(), firstFailure(asked.samples))
		}
		s.p50, s.p99 = milliseconds(latency.ValueAtQuantile(50)), milliseconds(latency.ValueAtQuantile(99))
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

// during calls what while pods come and go.
func (c *clusterBench) during(ctx context.Context, one *clustered, what func() error) error {
	churning, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		churned cluster.Churned
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		churned, err := cluster.Churn{Client: c.client, Nodes: c.nodes[:c.filled], FirstPod: c.nextPod, PerSecond: churnRate, Seed: c.seed}.Run(churning)
		done <- outcome{churned, err}
	}()
	time.Sleep(churnSettle)
	err := what()
	stop()
	ended := <-done
	c.nextPod += ended.churned.Pods
	one.podsASecond = ended.churned.PerSecond()
	return errors.Join(err, ended.err)
}

// watch lets a window pass and tells what the server did in it.
func (c *clusterBench) watch(ctx context.Context, process *servers.Process, s *spell) (w window, err error) {
	before, err := c.work(ctx, process)
	if err != nil {
		return w, err
	}
	used, err := processorTime(process)
	if err != nil {
		return w, err
	}
	w.from = time.Now()
	time.Sleep(c.window)
	w.until = time.Now()
	usedThen, err := processorTime(process)
	if err != nil {
		return w, err
	}
	after, err := c.work(ctx, process)
	s.cpu = milliseconds(int64(usedThen-used)) / w.until.Sub(w.from).Seconds()
	s.evaluations = after.evaluations - before.evaluations
	if nodes := after.nodes - before.nodes; nodes > 0 {
		s.classes = (after.classes - before.classes) / nodes * float64(c.filled)
	}
	return w, err
}

// work is what verdict's metrics count of filter calls.
type work struct{ nodes, classes, evaluations float64 }

func (c *clusterBench) work(ctx context.Context, process *servers.Process) (w work, err error) {
	if process.Operations == "" {
		return w, nil
	}
	var text bytes.Buffer
	if err := request(ctx, http.MethodGet, process.Operations+"/metrics", nil, &text); err != nil {
		return w, err
	}
	of := func(kind string) float64 {
		return sumOf(text.String(), "verdict_scheduling_work_total", `verb="filter"`, `kind="`+kind+`"`)
	}
	return work{nodes: of("nodes"), classes: of("classes"), evaluations: of("evaluations")}, nil
}
