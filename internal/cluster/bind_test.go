package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

func TestBindFromAssumptionToConfirmation(t *testing.T) {
	s := newAPIServer(t)
	s.put("a", "1")
	s.putPod(pod("p", "", "1"))
	w := startState(t, s, everything, StateOptions{Bind: true, PodAnnotations: []string{"gpu.example.com/"}})
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })

	text, bound, err := w.PendingPod(t.Context(), "default", "p", "uid-p")
	must(t, err)
	if bound != "" || !strings.HasPrefix(string(text), `{"kind":"Pod","apiVersion":"v1"`) || strings.Contains(string(text), "managedFields") {
		t.Fatalf("the pending pod is bound to %q and reads %s", bound, text)
	}
	annotations := map[string]string{"gpu.example.com/device": "3", "unlisted": "x"}
	forget, err := w.Assume(text, "a", annotations)
	must(t, err)
	state := w.find("a").State()
	if len(state.Pods) != 1 || !state.Pods[0].Assumed || state.Requested["cpu"] != 1000 ||
		!maps.Equal(state.Pods[0].Annotations, map[string]string{"gpu.example.com/device": "3", "gpu.example.com/memory": "8"}) {
		t.Fatalf("assumed, but the state is %+v of %+v", state.Requested, state.Pods)
	}
	if known, ok := w.PodByUID("uid-p"); !ok || !known.Assumed {
		t.Error("the assumed pod is not found by its UID")
	}
	if _, err := w.Assume(text, "a", nil); err == nil {
		t.Error("assumed twice")
	}

	must(t, w.Bind(t.Context(), "default", "p", "uid-p", "a", annotations))
	eventually(t, "the confirmation", func() bool { pods := w.find("a").State().Pods; return len(pods) == 1 && !pods[0].Assumed })
	state = w.find("a").State()
	if state.Requested["cpu"] != 1000 || state.Pods[0].Annotations["gpu.example.com/device"] != "3" {
		t.Errorf("confirmed, but the state is %+v of %+v", state.Requested, state.Pods)
	}
	if stats := w.AssumedPods(); stats != (scheduling.AssumedStats{Confirmed: 1}) {
		t.Errorf("counted %+v", stats)
	}
	forget() // late: nothing to forget
	if w.requested("a") != 1000 {
		t.Error("a confirmed pod was forgotten")
	}

	// A retry of the same.
	must(t, w.Bind(t.Context(), "default", "p", "uid-p", "a", annotations))
	if _, bound, err := w.PendingPod(t.Context(), "default", "p", "uid-p"); err != nil || bound != "a" {
		t.Errorf("bound to %q, %v", bound, err)
	}
	if _, err := w.Assume(text, "a", nil); err == nil || !strings.Contains(err.Error(), "already bound to node a") {
		t.Errorf("assuming what is bound returns %v", err)
	}
	s.removePod("default", "p")
	eventually(t, "the room", func() bool { return w.requested("a") == 0 })
}

func TestAssumedPodIsForgotten(t *testing.T) {
	s := newAPIServer(t)
	s.put("a", "1")
	w := startState(t, s, everything, StateOptions{Bind: true})
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })
	text := podJSON(t, pod("p", "", "1"))
	forget, err := w.Assume(text, "a", nil)
	must(t, err)
	forget()
	if w.requested("a") != 0 {
		t.Error("a forgotten pod takes room")
	}
	again, err := w.Assume(text, "a", nil)
	must(t, err)
	forget() // of the first attempt
	if w.requested("a") != 1000 {
		t.Error("forgetting the first attempt ended the second")
	}
	again()
	if _, err := w.Assume([]byte(`{"metadata": {"name": "p"}}`), "a", nil); err == nil {
		t.Error("a pod without a UID was assumed")
	}
	if _, err := w.Assume([]byte(`[]`), "a", nil); err == nil {
		t.Error("something else was assumed")
	}
}

// testState is one without an API server to watch: its pods are put by hand.
func testState(t *testing.T, client *fake.Clientset, now func() time.Time) *State {
	t.Helper()
	s := newState(StateOptions{Bind: true, Now: now, Reads: func() nodes.Reads { return everything }})
	list, err := newNodeInformer(configFor("http://127.0.0.1:1"), decodeNode, Options{})
	must(t, err)
	s.nodes = list
	s.clients = clients{watch: client.CoreV1(), bind: client.CoreV1(), leases: client.CoordinationV1()}
	must(t, s.prepare())
	feed := &podFeed{state: s, reads: everything}
	feed.watching.Store(true)
	s.current.Store(feed)
	return s
}

func (s *State) assumedCount() int {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return len(s.ledger.assumed)
}

func TestAssumedPodsExpire(t *testing.T) {
	tests := map[string]struct {
		stored *corev1.Pod // as the API server has it after 30 s; nil for none
		err    error       // of asking
		kept   bool
	}{
		"pending":             {stored: pod("p", "", "1")},
		"gone":                {},
		"another of its name": {stored: func() *corev1.Pod { p := pod("p", "a", "1"); p.UID = "other"; return p }()},
		"bound elsewhere":     {stored: pod("p", "b", "1")},
		"bound and not seen":  {stored: pod("p", "a", "1"), kept: true},
		"nobody answers":      {err: errors.New("connection lost"), kept: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			client := fake.NewClientset()
			if test.stored != nil {
				must(t, client.Tracker().Add(test.stored))
			}
			if test.err != nil {
				client.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, test.err })
			}
			s := testState(t, client, func() time.Time { return now })
			_, err := s.Assume(podJSON(t, pod("p", "", "1")), "a", nil)
			must(t, err)
			now = now.Add(29 * time.Second)
			s.sweep(t.Context())
			if s.assumedCount() != 1 {
				t.Fatal("expired before its time")
			}
			now = now.Add(time.Second)
			s.sweep(t.Context())
			if kept := s.assumedCount() == 1; kept != test.kept {
				t.Errorf("kept: %v, want %v", kept, test.kept)
			}
			if expired := s.AssumedPods().Expired; (expired == 0) != test.kept {
				t.Errorf("%v were counted", expired)
			}
		})
	}
}

func TestBindErrors(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	conflict := apierrors.NewConflict(pods, "p", errors.New("already assigned"))
	lost := errors.New("connection lost")
	tests := map[string]struct {
		stored  *corev1.Pod
		err     error // of the Binding
		getErr  error
		want    error // nil, errAny or what is wrapped
		unknown bool
	}{
		"bound there already":          {stored: pod("p", "a", "1"), err: conflict},
		"bound elsewhere":              {stored: pod("p", "b", "1"), err: conflict, want: conflict},
		"another of its name":          {stored: func() *corev1.Pod { p := pod("p", "a", "1"); p.UID = "other"; return p }(), err: conflict, want: conflict},
		"a conflict of something else": {stored: pod("p", "", "1"), err: conflict, want: conflict},
		"conflict and no more answers": {err: conflict, getErr: lost, want: conflict, unknown: true},
		"forbidden":                    {stored: pod("p", "", "1"), err: apierrors.NewForbidden(pods, "p", nil), want: apierrors.NewForbidden(pods, "p", nil)},
		"lost, but done":               {stored: pod("p", "a", "1"), err: lost},
		"lost, and not yet done":       {stored: pod("p", "", "1"), err: lost, want: lost, unknown: true},
		"lost, and the pod is gone":    {err: lost, want: lost},
		"lost, and bound elsewhere":    {stored: pod("p", "b", "1"), err: lost, want: lost},
		"timed out":                    {stored: pod("p", "", "1"), err: context.DeadlineExceeded, want: context.DeadlineExceeded, unknown: true},
		"an error of the server":       {stored: pod("p", "", "1"), err: apierrors.NewInternalError(lost), want: lost, unknown: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			if test.stored != nil {
				must(t, client.Tracker().Add(test.stored))
			}
			client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
				binding := action.(clienttesting.CreateAction).GetObject().(*corev1.Binding)
				if action.GetSubresource() != "binding" || binding.UID != "uid-p" || binding.Target.Name != "a" || binding.Annotations["x"] != "y" {
					t.Errorf("created %+v", binding)
				}
				return true, nil, test.err
			})
			if test.getErr != nil {
				client.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, test.getErr })
			}
			s := testState(t, client, time.Now)
			err := s.Bind(t.Context(), "default", "p", "uid-p", "a", map[string]string{"x": "y"})
			if (err == nil) != (test.want == nil) || errors.Is(err, scheduling.ErrBindUnknown) != test.unknown {
				t.Errorf("got %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "binding pod default/p to node a: ") {
				t.Errorf("the error does not say what was done: %v", err)
			}
		})
	}
}

func TestPendingPodOfTheAPIServer(t *testing.T) {
	client := fake.NewClientset(pod("p", "", "1"), pod("q", "b", "1"))
	s := testState(t, client, time.Now)
	text, bound, err := s.PendingPod(t.Context(), "default", "p", "uid-p")
	if err != nil || bound != "" || !strings.Contains(string(text), `"kind":"Pod"`) {
		t.Errorf("got %s, %q, %v", text, bound, err)
	}
	if _, bound, err := s.PendingPod(t.Context(), "default", "q", "uid-q"); err != nil || bound != "b" {
		t.Errorf("got %q, %v", bound, err)
	}
	for _, uid := range []string{"other", ""} {
		if _, _, err := s.PendingPod(t.Context(), "default", "p", uid); !errors.Is(err, scheduling.ErrNoPod) {
			t.Errorf("with UID %q: %v", uid, err)
		}
	}
	if _, _, err := s.PendingPod(t.Context(), "default", "r", "uid-r"); !errors.Is(err, scheduling.ErrNoPod) {
		t.Errorf("of a pod that is not there: %v", err)
	}

	// One that is assumed may be bound already, and only the API server knows.
	s.ledger.put(&podRecord{state: &nodes.Pod{Namespace: "default", Name: "q", UID: "uid-q"}, pending: []byte("old")})
	if text, _, err := s.PendingPod(t.Context(), "default", "q", "uid-q"); err != nil || string(text) != "old" {
		t.Errorf("the cache was not used: %s, %v", text, err)
	}
	_, err = s.Assume(podJSON(t, pod("q", "", "1")), "b", nil)
	must(t, err)
	if _, bound, err := s.PendingPod(t.Context(), "default", "q", "uid-q"); err != nil || bound != "b" {
		t.Errorf("an assumed pod: %q, %v", bound, err)
	}
}

// Of many binds at once that need a device of their own, no two get the same,
// and all devices are given out.
func TestConcurrentBindsShareNothing(t *testing.T) {
	s := newAPIServer(t)
	const devices, pods = 4, 24
	s.put("a", "1")
	s.put("b", "1")
	for i := range pods {
		s.putPod(pod(fmt.Sprint("p", i), "", "0"))
	}
	w := startState(t, s, everything, StateOptions{Bind: true, PodAnnotations: []string{"device"}})
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })

	bindOne := func(name, node string) error {
		unlock, err := w.LockNode(t.Context(), node)
		if err != nil {
			return err
		}
		defer unlock()
		text, bound, err := w.PendingPod(t.Context(), "default", name, "uid-"+name)
		if err != nil || bound != "" {
			return err
		}
		taken := map[string]bool{}
		for _, pod := range w.find(node).State().Pods {
			taken[pod.Annotations["device"]] = true
		}
		for device := range devices {
			chosen := map[string]string{"device": fmt.Sprint(device)}
			if taken[chosen["device"]] {
				continue
			}
			forget, err := w.Assume(text, node, chosen)
			if err != nil {
				return err
			}
			if err = w.Bind(t.Context(), "default", name, "uid-"+name, node, chosen); err != nil {
				forget()
			}
			return err
		}
		return nil // full
	}
	var group sync.WaitGroup
	for i := range pods {
		group.Go(func() {
			name, node := fmt.Sprint("p", i), []string{"a", "b"}[i%2]
			for range 2 { // the scheduler tries again
				if err := bindOne(name, node); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	group.Wait()
	given := map[string]int{}
	s.mu.Lock()
	for _, pod := range s.pods {
		if pod.Spec.NodeName != "" {
			given[pod.Spec.NodeName+"/"+pod.Annotations["device"]]++
		}
	}
	s.mu.Unlock()
	if len(given) != 2*devices {
		t.Errorf("%d devices were given out, want %d: %v", len(given), 2*devices, given)
	}
	for device, n := range given {
		if n != 1 {
			t.Errorf("device %s was given out %d times", device, n)
		}
	}
	if !w.locks.idle() {
		t.Error("locks are kept")
	}
}

func TestNothingIsBoundUnlessTurnedOn(t *testing.T) {
	w := startState(t, newAPIServer(t), everything, StateOptions{})
	if err := w.Active(); err == nil || !strings.Contains(err.Error(), "scheduling.bind.enabled") {
		t.Errorf("error %v, want what to set", err)
	}
}
