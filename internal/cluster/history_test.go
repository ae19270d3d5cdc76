package cluster

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

var (
	histories    = flag.Int("histories", 25, "how many random histories of a cluster to try")
	firstHistory = flag.Uint64("histories.first", 1, "the seed of the first one")
)

// TestMain turns off what client-go does at each error: it sleeps by the time of
// the last one, which in another bubble of testing/synctest is another time.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil //nolint:reassign // made for that
	m.Run()
}

// pipes are connections to a server in the same bubble of testing/synctest.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accept <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// device gives each pod the first of three devices that is free.
const devicePolicy = `package kubernetes.scheduling

_taken contains pod.annotations["device"] if some pod in input.state.pods

_free := [device | some device in ["0", "1", "2"]; not device in _taken]

deny contains "node(s) without a free device" if count(_free) == 0

annotate["device"] := _free[0]
`

type nobody struct{}

func (nobody) RevisionLoaded(*policy.Revision, time.Duration) {}
func (nobody) RevisionRefused(error)                          {}

// history is a cluster to which random things happen.
type history struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	server  *podServer
	state   *State
	profile policy.Profile
	nodes   []string
	uids    int
	reads   atomic.Pointer[nodes.Reads]
	binds   sync.WaitGroup
	bound   atomic.Int64
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), server: newPodServer(t), nodes: []string{"a", "b"}}
	h.reads.Store(&everything)
	h.server.bound = h.onBound
	for _, node := range h.nodes {
		h.server.put(node, "1")
	}
	engine := policy.NewEngine(policy.Options{}, nobody{})
	must(t, engine.Load(t.Context(), policy.Content{Modules: []policy.Module{{Path: "p.rego", Source: []byte(devicePolicy)}}}))
	h.profile = engine.View().DefaultProfile()

	listener := newPipes()
	server := &http.Server{Handler: h.server, ReadHeaderTimeout: time.Minute, ErrorLog: nil}
	var err error
	h.state, err = NewState(&rest.Config{Host: "http://pods", Dial: listener.dial, QPS: -1}, StateOptions{
		Bind: true, PodAnnotations: []string{"device"},
		Reads: func() nodes.Reads { return *h.reads.Load() },
	})
	must(t, err)
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	running.Go(func() { h.state.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = server.Close()
		running.Wait()
	})
	return h
}

// onBound is told of each Binding that takes place: no two pods that run on a
// node have the same device.
func (h *history) onBound(bound *corev1.Pod) {
	h.bound.Add(1)
	for _, other := range h.server.liveLocked()[bound.Spec.NodeName] {
		if other.Annotations["device"] == bound.Annotations["device"] && !hasEnded(bound) {
			h.t.Errorf("history %d: pods %s and %s both have device %s of node %s", h.seed, other.UID, bound.UID, bound.Annotations["device"], bound.Spec.NodeName)
		}
	}
}

// bind asks for a pod to be bound as a scheduler does, which asks again where it
// got no answer, at times elsewhere.
func (h *history) bind(name string) {
	h.server.mu.Lock()
	pod := h.server.pods[name]
	h.server.mu.Unlock()
	if pod == nil {
		return
	}
	nodes := []string{h.pickNode(), h.pickNode(), h.pickNode()}
	h.binds.Go(func() {
		for _, node := range nodes {
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
			bound, _, err := scheduling.Bind(ctx, h.profile, h.state, scheduling.Binding{Namespace: "default", Name: name, UID: string(pod.UID), Node: node})
			cancel()
			if err == nil && len(bound.Deny) == 0 {
				h.checkBound(name, string(pod.UID), node)
				return
			}
			if errors.Is(err, scheduling.ErrNoPod) || errors.Is(err, scheduling.ErrPodEnded) {
				return
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
}

// checkBound: what was said to be bound is bound there, or gone.
func (h *history) checkBound(name, uid, node string) {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	if pod := h.server.pods[name]; pod != nil && string(pod.UID) == uid && pod.Spec.NodeName != node {
		h.t.Errorf("history %d: pod %s is said to be bound to %s, and is on %q", h.seed, uid, node, pod.Spec.NodeName)
	}
}

func (h *history) pickNode() string { return h.nodes[h.random.IntN(len(h.nodes))] }

// step makes one thing happen.
func (h *history) step() {
	name := fmt.Sprint("p", h.random.IntN(9))
	phase := [...]corev1.PodPhase{corev1.PodFailed, corev1.PodSucceeded}[h.random.IntN(2)]
	switch h.random.IntN(16) {
	case 0, 1, 2, 3:
		h.uids++
		made := pod(name, "", "1")
		made.UID, made.Annotations = types.UID(fmt.Sprint(name, "-", h.uids)), nil
		h.server.create(made)
	case 4, 5, 6, 7, 8:
		h.bind(name)
	case 9, 10: // it ends, whether or not it ever ran
		h.server.edit(name, func(p *corev1.Pod) *corev1.Pod { p.Status.Phase = phase; return p })
	case 11:
		h.server.edit(name, func(*corev1.Pod) *corev1.Pod { return nil })
	case 12: // another binder, for pods that want no device
		node := h.pickNode()
		h.server.edit(name, func(p *corev1.Pod) *corev1.Pod {
			if p.Spec.NodeName == "" && p.Annotations == nil {
				p.Spec.NodeName = node
			}
			return p
		})
	case 13: // deleted, with the time to end
		h.server.edit(name, func(p *corev1.Pod) *corev1.Pod {
			if p.Spec.NodeName == "" {
				return nil
			}
			now := p.CreationTimestamp
			p.DeletionTimestamp = &now
			return p
		})
	case 14:
		h.server.cut(h.random.IntN(2) == 0)
	case 15: // a policy that reads something else
		reads := [...]nodes.Reads{everything, {State: true, Requested: true, Pods: true, Annotations: true}}[h.random.IntN(2)]
		h.reads.Store(&reads)
		h.state.Reload()
	}
	if h.random.IntN(8) == 0 {
		h.server.up(h.random.IntN(2) == 0)
	}
}

// difference is how the state differs from what the API server says, "" for not.
func (h *history) difference() string {
	live := h.server.live()
	if n := h.state.AssumedPods().Assumed; n > 0 {
		return fmt.Sprint(n, " pods are assumed")
	}
	for _, node := range h.nodes {
		var found [1]*nodes.Node
		h.state.Find([][]byte{[]byte(node)}, found[:])
		if found[0] == nil || found[0].State() == nil {
			return "node " + node + " is not known"
		}
		state := found[0].State()
		describe := func(uid, device string) string { return uid + " with device " + device }
		var got, want []string
		for _, pod := range state.Pods {
			got = append(got, describe(pod.UID, pod.Annotations["device"]))
		}
		for _, pod := range live[node] {
			want = append(want, describe(string(pod.UID), pod.Annotations["device"]))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || state.Requested["cpu"] != int64(1000*len(want)) || state.Requested["pods"] != int64(len(want)) {
			return fmt.Sprintf("node %s has %v requesting %v, want %v", node, got, state.Requested, want)
		}
	}
	return ""
}

// TestStateConvergesToTheAPIServer: whatever pods do, and whatever is lost on the
// way, the state comes to what the API server says, and no two pods that run get
// the same device.
func TestStateConvergesToTheAPIServer(t *testing.T) {
	var bound int64
	for seed := *firstHistory; seed < *firstHistory+uint64(*histories); seed++ {
		t.Run(fmt.Sprint("history ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHistory(t, seed)
				time.Sleep(5 * time.Second)
				var mu sync.Mutex
				faults := anyFault(rand.New(rand.NewPCG(seed, 2)))
				h.server.setFault(func(binding bool) fault { mu.Lock(); defer mu.Unlock(); return faults(binding) })
				for range 400 {
					h.step()
					time.Sleep(time.Duration(h.random.IntN(800)) * time.Millisecond)
				}
				h.server.setFault(nil)
				h.server.up(false)
				h.binds.Wait()
				h.server.limbo.Wait()
				// Until those that are bound and not seen have been asked about.
				time.Sleep(assumedFor + askAgainAfter + lookUpTimeout + 2*betweenSweeps + 10*time.Second)
				if difference := h.difference(); difference != "" {
					t.Errorf("history %d: %s", seed, difference)
				}
				if h.state.sending.Load() != 0 || !h.state.locks.idle() {
					t.Errorf("history %d: something is still under way", seed)
				}
				bound += h.bound.Load()
			})
		})
	}
	if bound < int64(*histories)*10 {
		t.Errorf("%d Bindings in %d histories: too few to show anything", bound, *histories)
	}
}

// TestAPodThatEndsUnseen: a pod is bound while the watch of pods is interrupted,
// and ends before the next list, which leaves it out.
func TestAPodThatEndsUnseen(t *testing.T) {
	for name, test := range map[string]struct {
		phase corev1.PodPhase
		seen  bool // before the watch was interrupted
	}{
		"it failed":                        {corev1.PodFailed, true},
		"it succeeded":                     {corev1.PodSucceeded, true},
		"it was created and failed unseen": {corev1.PodFailed, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHistory(t, 0)
				if test.seen {
					h.server.create(pod("p", "", "1"))
				}
				time.Sleep(5 * time.Second)
				h.server.cut(true)
				h.server.create(pod("p", "", "1"))
				h.mustBind("p", "a")
				h.server.edit("p", func(p *corev1.Pod) *corev1.Pod { p.Status.Phase = test.phase; return p })
				h.server.up(true)
				time.Sleep(podBackoff.Cap + 3*betweenSweeps)
				if difference := h.difference(); difference != "" {
					t.Error(difference)
				}
			})
		})
	}
}

// TestAnEndedPodIsNotBound: the API server would create the Binding.
func TestAnEndedPodIsNotBound(t *testing.T) {
	for name, interrupt := range map[string]bool{"the watch told": false, "the watch is interrupted": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHistory(t, 0)
				h.server.create(pod("p", "", "1"))
				time.Sleep(5 * time.Second)
				if interrupt {
					h.server.cut(true)
					time.Sleep(time.Second)
				}
				h.server.edit("p", func(p *corev1.Pod) *corev1.Pod { p.Status.Phase = corev1.PodFailed; return p })
				time.Sleep(time.Second)
				_, _, err := scheduling.Bind(t.Context(), h.profile, h.state, scheduling.Binding{Namespace: "default", Name: "p", UID: "uid-p", Node: "a"})
				if !errors.Is(err, scheduling.ErrPodEnded) || !strings.Contains(err.Error(), "its phase is Failed") {
					t.Errorf("got %v", err)
				}
				if h.bound.Load() > 0 || h.state.AssumedPods().Assumed > 0 {
					t.Error("it was bound")
				}
			})
		})
	}
}
