package scheduling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// devices gives each pod the first of two devices that is free, and binds none
// without.
const devices = `package kubernetes.scheduling

_taken contains pod.annotations["example.com/gpu"] if some pod in input.state.pods

_free := [gpu | some gpu in ["0", "1"]; not gpu in _taken]

deny contains "node(s) without a free device" if count(_free) == 0

annotate["example.com/gpu"] := _free[0]
`

func bindBy(tb testing.TB, source string) policy.Profile {
	tb.Helper()
	return view(tb, source, roomy).DefaultProfile()
}

func TestBind(t *testing.T) {
	profile, cluster := bindBy(t, devices), newFakeCluster(t, "n", "m")
	for i, gpu := range []string{"0", "1", ""} {
		pod := cluster.add(fmt.Sprint("p", i))
		bound, work, err := Bind(t.Context(), profile, cluster, pod.binding("n"))
		if err != nil {
			t.Fatal(err)
		}
		if gpu == "" {
			if !slices.Equal(bound.Deny, []string{"node(s) without a free device"}) || pod.node != "" || pod.assumed != "" {
				t.Errorf("a pod beyond the devices: %+v, bound to %q", bound, pod.node)
			}
			continue
		}
		if len(bound.Deny) > 0 || pod.node != "n" || pod.annotations["example.com/gpu"] != gpu {
			t.Errorf("pod %d: %+v, on %q with %v, want device %s", i, bound, pod.node, pod.annotations, gpu)
		}
		if work.Nodes != 2 || work.Classes != 2 {
			t.Errorf("work %+v, want that of two rules", work)
		}
	}
	if len(cluster.locks["n"]) > 0 {
		t.Error("the node is still locked")
	}
}

// TestBindAgain: a retry gets the answer of the call whose answer was lost.
func TestBindAgain(t *testing.T) {
	profile, cluster := bindBy(t, devices), newFakeCluster(t, "n", "m")
	pod := cluster.add("p")
	for i := range 3 {
		bound, _, err := Bind(t.Context(), profile, cluster, pod.binding("n"))
		if err != nil || len(bound.Deny) > 0 || bound.Before != (i > 0) {
			t.Errorf("call %d: %+v, %v", i, bound, err)
		}
	}
	if cluster.binds != 1 || cluster.assumed != 1 {
		t.Errorf("%d Bindings and %d assumed pods, want one each", cluster.binds, cluster.assumed)
	}
	if _, _, err := Bind(t.Context(), profile, cluster, pod.binding("m")); err == nil || !strings.Contains(err.Error(), "bound to another node, n") {
		t.Errorf("a pod bound elsewhere: %v", err)
	}
}

// TestBindAgreesWithFilter: the node may have changed since it was filtered.
func TestBindAgreesWithFilter(t *testing.T) {
	profile, cluster := bindBy(t, `package kubernetes.scheduling

unresolvable contains "kept" if input.node.metadata.name == "n"

deny contains "full" if input.node.metadata.name == "n"
`), newFakeCluster(t, "n", "m")
	pod := cluster.add("p")
	bound, _, err := Bind(t.Context(), profile, cluster, pod.binding("n"))
	if err != nil || !slices.Equal(bound.Deny, []string{"kept"}) || pod.node != "" || pod.assumed != "" {
		t.Errorf("got %+v, %v and %+v, want it denied", bound, err, pod)
	}
	if bound, _, err := Bind(t.Context(), profile, cluster, pod.binding("m")); err != nil || len(bound.Deny) > 0 || pod.node != "m" {
		t.Errorf("on another node: %+v, %v", bound, err)
	}
}

// TestBindAgainOfAnAssumedPod: where it is not known whether the first call
// bound the pod, the pod itself takes up no room in the retry's eyes.
func TestBindAgainOfAnAssumedPod(t *testing.T) {
	const oneOnly = `package kubernetes.scheduling

deny contains "full" if count(input.state.pods) > 0

deny contains "no CPU" if input.state.free.cpu < 1000

deny contains "pods" if input.state.requested.pods > 0
`
	profile, cluster := bindBy(t, oneOnly), newFakeCluster(t, "n")
	pod, other := cluster.add("p"), cluster.add("q")
	cluster.onBind = func(*fakePod) error { return fmt.Errorf("connection reset: %w", ErrBindUnknown) }
	if _, _, err := Bind(t.Context(), profile, cluster, pod.binding("n")); !errors.Is(err, ErrBindUnknown) {
		t.Fatalf("error %v, want that it is not known", err)
	}
	if pod.assumed != "n" {
		t.Fatal("the pod, which may be bound, is forgotten")
	}
	bound, _, err := Bind(t.Context(), profile, cluster, other.binding("n"))
	if err != nil || !slices.Equal(bound.Deny, []string{"full", "no CPU", "pods"}) {
		t.Errorf("another pod meanwhile: %+v, %v", bound, err)
	}
	cluster.onBind = nil
	if bound, _, err := Bind(t.Context(), profile, cluster, pod.binding("n")); err != nil || len(bound.Deny) > 0 || pod.node != "n" {
		t.Errorf("the retry: %+v, %v", bound, err)
	}
}

func TestBindThatFails(t *testing.T) {
	plain := `package kubernetes.scheduling`
	for name, test := range map[string]struct {
		rules   string
		arrange func(*fakeCluster, *fakePod, *Binding)
		want    string
	}{
		"an API server that refuses": {plain, func(f *fakeCluster, _ *fakePod, _ *Binding) {
			f.onBind = func(*fakePod) error { return errors.New("pod is being deleted") }
		}, "binding pod default/p to node n: pod is being deleted"},
		"another replica's":     {plain, func(f *fakeCluster, _ *fakePod, _ *Binding) { f.inactive = errors.New("verdict-2 binds pods") }, "verdict-2 binds pods"},
		"a stale cluster":       {plain, func(f *fakeCluster, _ *fakePod, _ *Binding) { f.stale = errors.New("last heard of an hour ago") }, "an hour ago"},
		"another UID":           {plain, func(_ *fakeCluster, _ *fakePod, b *Binding) { b.UID = "uid-q" }, "no such pod"},
		"a pod of another UID":  {plain, func(_ *fakeCluster, p *fakePod, _ *Binding) { p.text = `{"metadata":{"uid":"uid-q"}}` }, "no such pod"},
		"a pod that is no JSON": {plain, func(_ *fakeCluster, p *fakePod, _ *Binding) { p.text = `{` }, "pod default/p: "},
		"an unknown node":       {plain, func(_ *fakeCluster, _ *fakePod, b *Binding) { b.Node = "x" }, "node x: node not yet known to verdict"},
		"a deny that fails":     {plain + "\n\ndeny contains \"x\" if to_number(\"x\") > 1", nil, "eval_builtin_error"},
		"an annotate that fails": {
			plain + "\n\nannotate[\"a\"] := input.node.metadata.name if true\n\nannotate[key] := \"2\" if some key in [\"a\"]",
			nil, "eval_conflict_error",
		},
		"an annotation that is none": {plain + "\n\nannotate[\"a b\"] := \"x\"", nil, "a b"},
		"activity that ends while it waits": {plain, func(f *fakeCluster, _ *fakePod, _ *Binding) {
			f.onLocked = func() { f.inactive = errors.New("the lease was lost") }
		}, "the lease was lost"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newFakeCluster(t, "n")
			pod := cluster.add("p")
			binding := pod.binding("n")
			if test.arrange != nil {
				test.arrange(cluster, pod, &binding)
			}
			bound, _, err := Bind(t.Context(), bindBy(t, test.rules), cluster, binding)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v, error %v, want %q", bound, err, test.want)
			}
			if pod.node != "" || pod.assumed != "" || cluster.assumed != 0 || len(cluster.locks["n"]) > 0 {
				t.Errorf("bound to %q, assumed on %q, locked %d", pod.node, pod.assumed, len(cluster.locks["n"]))
			}
		})
	}
}

func TestBindInTime(t *testing.T) {
	t.Run("waiting for the node", func(t *testing.T) {
		cluster := newFakeCluster(t, "n")
		cluster.locks["n"] <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, _, err := Bind(ctx, bindBy(t, devices), cluster, cluster.add("p").binding("n")); !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("error %v, want ErrTimeout", err)
		}
	})
	t.Run("nothing is bound after the end", func(t *testing.T) {
		cluster := newFakeCluster(t, "n")
		ctx, cancel := context.WithCancel(t.Context())
		cluster.onPending = cancel
		if _, _, err := Bind(ctx, bindBy(t, devices), cluster, cluster.add("p").binding("n")); !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("error %v, want ErrTimeout", err)
		}
		if cluster.binds+cluster.assumed > 0 {
			t.Error("the pod was bound")
		}
	})
}

// TestBindNeverSharesADevice binds more pods than there are devices, all at once.
func TestBindNeverSharesADevice(t *testing.T) {
	const pods = 40
	nodes := []string{"n0", "n1", "n2"}
	profile, cluster := bindBy(t, devices), newFakeCluster(t, nodes...)
	var group sync.WaitGroup
	for i := range pods {
		pod := cluster.add(fmt.Sprint("p", i))
		group.Go(func() {
			for try := range nodes {
				bound, _, err := Bind(t.Context(), profile, cluster, pod.binding(nodes[(i+try)%len(nodes)]))
				if err != nil {
					t.Error(err)
				}
				if len(bound.Deny) == 0 {
					return
				}
			}
		})
	}
	group.Wait()
	taken := map[string]int{}
	for _, pod := range cluster.pods {
		if pod.node != "" {
			taken[pod.node+"/"+pod.annotations["example.com/gpu"]]++
		}
	}
	if len(taken) != 2*len(nodes) {
		t.Errorf("%d devices are taken, want all 6: %v", len(taken), taken)
	}
	for device, n := range taken {
		if n > 1 {
			t.Errorf("%d pods share device %s", n, device)
		}
	}
}
