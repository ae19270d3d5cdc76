package cluster

import (
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

var _ scheduling.Cluster = (*State)(nil)

// watchedState is a State that follows an apiServer until the test ends.
type watchedState struct {
	*State
	reads      atomic.Pointer[nodes.Reads]
	classified atomic.Int32
	offset     atomic.Int64 // of the clock
}

func (w *watchedState) read(reads nodes.Reads) {
	w.reads.Store(&reads)
	w.Reload()
}

func (w *watchedState) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func startState(t *testing.T, s *apiServer, reads nodes.Reads, options StateOptions) *watchedState {
	t.Helper()
	w := makeState(t, s, reads, options)
	w.run(t)
	return w
}

func (w *watchedState) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func makeState(t *testing.T, s *apiServer, reads nodes.Reads, options StateOptions) *watchedState {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	w := &watchedState{}
	w.reads.Store(&reads)
	options.Reads = func() nodes.Reads { return *w.reads.Load() }
	options.Classify = func(*nodes.Node) { w.classified.Add(1) }
	options.Now = w.now
	if options.OnError == nil {
		options.OnError = func(err error) { t.Errorf("reported %v", err) }
	}
	var err error
	w.State, err = NewState(configFor(server.URL), options)
	must(t, err)
	return w
}

func (w *watchedState) find(name string) *nodes.Node {
	found := make([]*nodes.Node, 1)
	w.Find([][]byte{[]byte(name)}, found)
	return found[0]
}

// requested is what a node's pods request of cpu, -1 without a state.
func (w *watchedState) requested(name string) int64 {
	node := w.find(name)
	if node == nil || node.State() == nil {
		return -1
	}
	return node.State().Requested["cpu"]
}

func pod(name, node, cpu string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: types.UID("uid-" + name),
			Labels: map[string]string{"app": name}, Annotations: map[string]string{"gpu.example.com/memory": "8", "other": "x"},
		},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{requesting("a", "cpu", cpu)}},
	}
}

func podJSON(t *testing.T, pod *corev1.Pod) []byte {
	t.Helper()
	text, err := json.Marshal(pod)
	must(t, err)
	return text
}

var (
	readsRequested = nodes.Reads{State: true, Requested: true}
	readsLabels    = nodes.Reads{State: true, Requested: true, Pods: true, Labels: true}
)

func TestStateFollowsNodesAndPods(t *testing.T) {
	for name, noWatchList := range map[string]bool{"streamed list": false, "whole list": true} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.noWatchList = noWatchList
			s.put("a", "1")
			s.put("b", "1")
			s.putPod(pod("p", "a", "1"))
			s.putPod(pod("pending", "", "1"))
			w := startState(t, s, everything, StateOptions{PodAnnotations: []string{"gpu.example.com/"}})
			eventually(t, "the first lists", func() bool { return w.Ready() == nil })
			if a, b := w.requested("a"), w.requested("b"); a != 1000 || b != 0 {
				t.Fatalf("ready, but %d and %d milli-CPU are requested, want 1000 and 0", a, b)
			}
			state := w.find("a").State()
			if len(state.Pods) != 1 || state.Pods[0].Labels["app"] != "p" || !maps.Equal(state.Pods[0].Annotations, map[string]string{"gpu.example.com/memory": "8"}) {
				t.Errorf("the pods are %+v", state.Pods)
			}
			if want := map[string]int64{"cpu": 4000, "pods": 110}; !maps.Equal(state.Allocatable, want) {
				t.Errorf("allocatable is %v", state.Allocatable)
			}
			if w.Objects()["a"].State() != nil {
				t.Error("the bare node has a state")
			}

			// A pod changes its own node alone.
			b := w.find("b")
			s.putPod(pod("q", "a", "2"))
			eventually(t, "a new pod", func() bool { return w.requested("a") == 3000 })
			if w.find("b") != b {
				t.Error("another node was made anew")
			}
			s.putPod(pod("pending", "b", "1"))
			eventually(t, "a bound pod", func() bool { return w.requested("b") == 1000 })
			s.removePod("default", "p")
			eventually(t, "a pod that ended", func() bool { return w.requested("a") == 2000 })

			// A node keeps its pods.
			s.put("a", "2")
			eventually(t, "a changed node", func() bool { return strings.Contains(string(w.find("a").Text()), `"version":"2"`) })
			if w.requested("a") != 2000 {
				t.Error("a changed node lost its pods")
			}
			s.remove("a")
			eventually(t, "a removed node", func() bool { return w.find("a") == nil })
			s.put("a", "3")
			eventually(t, "a node that is back", func() bool { return w.requested("a") == 2000 })

			// What happened during a lost watch is made up for.
			lists := s.podListCount()
			s.expire()
			eventually(t, "a second list", func() bool { return s.podListCount() > lists })
			if w.requested("a") != 2000 || w.requested("b") != 1000 {
				t.Errorf("after another list %d and %d are requested", w.requested("a"), w.requested("b"))
			}
			if got := w.PodsStatus(); !strings.HasPrefix(got, "2 pods and 0 assumed, last contact with the API server at http://127.0.0.1:") {
				t.Errorf("the status is %q", got)
			}
			if w.classified.Load() == 0 {
				t.Error("nodes were found without a class")
			}
		})
	}
}

func TestStateWithoutReaders(t *testing.T) {
	s := newAPIServer(t)
	s.put("a", "1")
	s.putPod(pod("p", "a", "1"))
	w := startState(t, s, nodes.Reads{}, StateOptions{})
	eventually(t, "the first list", func() bool { return w.Ready() == nil && w.find("a") != nil })
	node := w.find("a")
	if node.State() != nil || s.podListCount() != 0 || w.PodsStatus() != "" {
		t.Errorf("nobody reads state, but there is %v after %d lists", node.State(), s.podListCount())
	}

	// A policy begins to read it: an error until it is there.
	release := s.holdPods()
	w.read(readsRequested)
	if err := w.Ready(); err == nil || !strings.Contains(err.Error(), "the pods on the nodes are not yet known") {
		t.Errorf("before the pods were listed Ready returns %v", err)
	}
	if err := w.PodsReady(); err != nil {
		t.Errorf("a policy that reads more must not end readiness: %v", err)
	}
	release()
	eventually(t, "the pods", func() bool { return w.Ready() == nil })
	if w.requested("a") != 1000 {
		t.Errorf("ready, but %d is requested", w.requested("a"))
	}

	// And stops to.
	w.read(nodes.Reads{})
	eventually(t, "the end of the watch", func() bool { return s.podWatchers() == 0 && w.find("a").State() == nil })
	if w.find("a") != node || w.Ready() != nil {
		t.Error("the node is another one than before")
	}
}

func TestStateReadsMore(t *testing.T) {
	s := newAPIServer(t)
	s.put("a", "1")
	s.putPod(pod("p", "a", "1"))
	w := startState(t, s, readsRequested, StateOptions{})
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })
	if pods := w.find("a").State().Pods; pods != nil {
		t.Errorf("pods are kept that nobody reads: %v", pods)
	}

	release := s.holdPods()
	w.read(readsLabels)
	if err := w.Ready(); err == nil {
		t.Error("ready with less than is read")
	}
	if err := w.PodsReady(); err != nil {
		t.Errorf("the pods were known once, but PodsReady returns %v", err)
	}
	if got := w.PodsStatus(); !strings.Contains(got, "listing them again") {
		t.Errorf("the status is %q", got)
	}
	// What is known stays up to date meanwhile.
	s.putPod(pod("q", "a", "1"))
	eventually(t, "a pod that comes in between", func() bool { return w.requested("a") == 2000 })
	release()
	eventually(t, "the labels", func() bool { return w.Ready() == nil })
	pods := w.find("a").State().Pods
	if len(pods) != 2 || pods[0].Labels["app"] != "p" || pods[1].Labels["app"] != "q" {
		t.Errorf("the pods are %+v", pods)
	}

	// Reading less is no reason to wait.
	w.read(readsRequested)
	if err := w.Ready(); err != nil {
		t.Error(err)
	}
	eventually(t, "less", func() bool { return w.find("a").State().Pods == nil })
	eventually(t, "one watch", func() bool { return s.podWatchers() == 1 })
	if w.requested("a") != 2000 {
		t.Errorf("%d is requested", w.requested("a"))
	}
}

func TestStateListsPodsAsTheSchedulerDoes(t *testing.T) {
	s := newAPIServer(t)
	s.noWatchList = true
	s.put("a", "1")
	w := startState(t, s, readsRequested, StateOptions{})
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(s.podQuery, "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed") {
		t.Errorf("asked for %s", s.podQuery)
	}
}

func TestStateStale(t *testing.T) {
	s := newAPIServer(t)
	s.put("a", "1")
	registry := prometheus.NewRegistry()
	w := startState(t, s, readsRequested, StateOptions{MaxStaleness: 2 * time.Minute, Registerer: registry})
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })
	must(t, w.Stale())
	if n, err := testutil.GatherAndCount(registry, "verdict_cluster_last_contact_timestamp_seconds"); err != nil || n != 2 {
		t.Errorf("%d times of contact, %v", n, err)
	}
	w.offset.Store(int64(121 * time.Second))
	if err := w.Stale(); err == nil || !strings.Contains(err.Error(), "nodes are stale: the API server sent its last message 2m") {
		t.Errorf("after two minutes Stale returns %v", err)
	}
	for _, status := range []string{w.NodesStatus(), w.PodsStatus()} {
		if !strings.Contains(status, "beyond cluster.maxStaleness") {
			t.Errorf("the status is %q", status)
		}
	}
	// Each resource counts for itself.
	s.put("a", "2")
	eventually(t, "the nodes' contact", func() bool { err := w.Stale(); return err != nil && strings.Contains(err.Error(), "pods are stale") })
	s.putPod(pod("p", "a", "1"))
	eventually(t, "contact", func() bool { return w.Stale() == nil })
	if w.Ready() != nil {
		t.Error("staleness must not end readiness")
	}
}
