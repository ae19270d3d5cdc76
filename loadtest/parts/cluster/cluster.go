// Package cluster measures verdict over a real API server with many nodes and pods.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/controlplane"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	// churnRate is how many pods are created in a second, and how many deleted.
	churnRate = 100
	// filterRate is how many filter calls there are in a second.
	filterRate = 50
	// podSpecs is how many pod specs the pods in those calls are drawn from.
	podSpecs = 20
	// settle passes before memory is measured and before the calm: the lists that were
	// read are garbage then, and collected.
	settle = 2 * time.Second
	// churnSettle passes before the latency under churn is measured: until then pods
	// are created and none deleted.
	churnSettle = 1500 * time.Millisecond
	// settling passes before the calm is measured: calls come all the time.
	settling = 300 * time.Millisecond
	// users are those in the data of the policies, which is small: the cluster is
	// what takes memory.
	users = 100
)

// window is the time of a measurement.
type window struct{ from, until time.Time }

// run measures verdict over a real API server.
type run struct {
	*bench.Bench
	dir      string
	plane    *controlplane.ControlPlane
	client   corev1client.CoreV1Interface
	nodes    []corev1.Node // all that there will be
	filled   int           // of nodes, those that are in the API server
	nextPod  int           // pods before it were created once
	policies map[string]generate.Files
	filter   *generate.Workload // names all that are in the API server
	window   time.Duration
}

// Add fills a real API server step by step, and at each step starts
// a new verdict with each policy in every round. Calm and churn are compared where
// there are -cluster-nodes.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) (err error) {
	r := &run{Bench: b, dir: filepath.Join(b.Dir, "cluster"), policies: map[string]generate.Files{}, window: max(5*b.Duration, time.Second)}
	if err := r.write(); err != nil {
		return err
	}
	fmt.Fprintln(b.Progress, "cluster: starting etcd and kube-apiserver (minutes when nothing is cached)")
	if r.plane, err = controlplane.Start(ctx, b.Root, r.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.plane.Stop()) }()
	if r.client, err = r.plane.Client(); err != nil {
		return err
	}
	r.nodes = generate.Nodes(3*b.ClusterNodes, b.Seed)
	grown := newGrowth()
	for _, nodes := range []int{b.ClusterNodes / 10, b.ClusterNodes, 3 * b.ClusterNodes} {
		if err := r.fill(ctx, nodes); err != nil {
			return err
		}
		if nodes != b.ClusterNodes {
			rounds, err := r.takeTurns(ctx, (b.Rounds+1)/2, false)
			if err != nil {
				return err
			}
			grown.add(nodes, rounds)
			continue
		}
		idle, err := r.idle(ctx)
		if err != nil {
			return err
		}
		rounds, err := r.takeTurns(ctx, b.Rounds, true)
		if err != nil {
			return err
		}
		grown.add(nodes, rounds)
		r.report(idle, rounds, made)
	}
	made.Curves = append(made.Curves, grown.curves()...)
	return nil
}

// policyCase is a policy that is measured on a cluster.
type policyCase struct {
	name   string
	policy *generate.File // beside the starter policies; nil for none
}

// clusterCases are measured in this order; the one that reads no state is last.
// Each is also compared with the do-nothing handler.
func cases() []policyCase {
	neighbours, free := generate.NeighboursPolicy(), generate.FreePolicy()
	return []policyCase{
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

// write writes the policies.
func (r *run) write() error {
	company, err := generate.NewCompany(generate.Size{Users: users, Bindings: users, Namespaces: bench.Namespaces}, r.Seed)
	if err != nil {
		return err
	}
	for _, each := range cases() {
		files, err := generate.WriteFiles(filepath.Join(r.dir, each.name), company, r.Issuer)
		if err != nil {
			return err
		}
		if each.policy != nil {
			if err := os.WriteFile(filepath.Join(files.Verdict, each.policy.Path), each.policy.Text, 0o600); err != nil {
				return fmt.Errorf("writing a policy: %w", err)
			}
		}
		r.policies[each.name] = files
	}
	return nil
}

// fill brings the API server to so many nodes, and pods in proportion.
func (r *run) fill(ctx context.Context, nodes int) (err error) {
	more := r.nodes[r.filled:nodes]
	pods := len(more) * r.ClusterPods / r.ClusterNodes
	began := time.Now()
	if err := controlplane.Fill(ctx, r.client, more, r.nextPod, pods, r.Seed); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Fprintf(r.Progress, "cluster: created %d nodes and %d pods in %v, %.0f/s\n", len(more), pods, took.Round(time.Second), float64(len(more)+pods)/took.Seconds())
	r.filled, r.nextPod = nodes, r.nextPod+pods
	r.filter, _, err = generate.Placements(r.nodes[:nodes], generate.NodeNames, generate.KnownSpecs, podSpecs, r.Seed)
	return err
}

// start starts verdict with a policy and returns how long that took.
func (r *run) start(ctx context.Context, name string) (*servers.Fleet, *servers.Process, time.Duration, error) {
	fleet := r.Fleet.Over(filepath.Join(r.dir, name), r.policies[name])
	fleet.SetCluster(r.plane.Verdict)
	began := time.Now()
	process, err := fleet.Start(ctx, servers.Verdict, false)
	return fleet, process, time.Since(began), err
}
