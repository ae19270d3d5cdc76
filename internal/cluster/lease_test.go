package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
)

// candidate is a replica that takes part in an election.
type candidate struct {
	*lease
	acquisitions atomic.Int32
	cancel       context.CancelFunc
	ended        chan struct{}
}

func startCandidate(t *testing.T, client *fake.Clientset, identity string) *candidate {
	t.Helper()
	c := &candidate{ended: make(chan struct{})}
	var err error
	c.lease, err = newLease(client.CoordinationV1(), LeaseOptions{Namespace: "verdict-system", Name: "verdict-bind", Identity: identity},
		time.Now, func(string) {}, func() { c.acquisitions.Add(1) })
	must(t, err)
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	go func() {
		defer close(c.ended)
		c.run(ctx)
	}()
	return c
}

func TestLeaseElectsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		first := startCandidate(t, client, "first")
		time.Sleep(time.Second)
		second := startCandidate(t, client, "second")
		time.Sleep(5 * time.Second)
		must(t, first.held())
		if err := second.held(); err == nil || !strings.Contains(err.Error(), "Lease verdict-system/verdict-bind is held by first") {
			t.Errorf("the second is told %v", err)
		}
		time.Sleep(time.Minute)
		must(t, first.held())
		if n := first.acquisitions.Load(); n != 1 {
			t.Errorf("acquired %d times", n)
		}

		// It gives way at once, and another one takes over within a retry.
		before := first.term()
		var locked atomic.Bool
		locked.Store(true)
		go first.resign(t.Context(), func() bool { return !locked.Load() })
		synctest.Wait()
		if err := first.held(); !errors.Is(err, errLeaving) {
			t.Errorf("while it resigns: %v", err)
		}
		if first.left() == 0 {
			t.Error("binds in flight were cut off")
		}
		time.Sleep(30 * time.Second)
		if second.held() == nil {
			t.Error("the second took over while the first still bound")
		}
		locked.Store(false)
		time.Sleep(5 * time.Second)
		must(t, second.held())
		if !second.term().After(before) {
			t.Error("the term did not change")
		}
		<-first.ended
		second.cancel()
		<-second.ended
		lease, err := client.CoordinationV1().Leases("verdict-system").Get(t.Context(), "verdict-bind", metav1.GetOptions{})
		must(t, err)
		if holder := lease.Spec.HolderIdentity; holder != nil && *holder != "" {
			t.Errorf("the Lease is still held by %s", *holder)
		}
	})
}

// A replica that can't renew the Lease stops before another may take over,
// however late the answer to its last renewal came.
func TestLeaseThatCannotBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var (
			away  atomic.Bool
			mutex sync.Mutex
			last  time.Time // when the Lease was last renewed by the first
		)
		client.PrependReactor("*", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
			update, ok := action.(clienttesting.UpdateAction)
			if !ok {
				return false, nil, nil
			}
			lease := update.GetObject().(*coordinationv1.Lease)
			if holder := lease.Spec.HolderIdentity; holder == nil || *holder != "first" {
				return false, nil, nil
			}
			if away.Load() {
				return true, nil, errors.New("the API server is away")
			}
			mutex.Lock()
			last = time.Now()
			mutex.Unlock()
			return false, nil, nil
		})
		first := startCandidate(t, client, "first")
		time.Sleep(10 * time.Second)
		second := startCandidate(t, client, "second")
		time.Sleep(10 * time.Second)
		must(t, first.held())
		away.Store(true)
		mutex.Lock()
		renewed := last
		mutex.Unlock()
		for second.held() != nil {
			if held := first.held() == nil; held != (time.Since(renewed) < renewDeadline) {
				t.Fatalf("%s after the last renewal the first is active: %v", time.Since(renewed), held)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if first.held() == nil {
			t.Error("both are active")
		}
		if gap := time.Since(renewed) - renewDeadline; gap < 4*time.Second {
			t.Errorf("only %s between the two", gap)
		}
		first.cancel()
		second.cancel()
		<-first.ended
		<-second.ended
		time.Sleep(time.Minute) // what client-go still does
	})
}

func TestLeaseCountsFromWhenItWasAskedFor(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := &lease{now: func() time.Time { return now }, acquired: func() {}}
	l.renewed(now.Add(-4 * time.Second))
	if left := l.left(); left != 6*time.Second {
		t.Errorf("%s left", left)
	}
	now = now.Add(6 * time.Second)
	if l.held() == nil {
		t.Error("still held")
	}
}

// Who takes over answers once it knows what the one before it bound.
func TestActiveAfterPodsWereListedAgain(t *testing.T) {
	s := newAPIServer(t)
	s.put("a", "1")
	s.putPod(pod("p", "a", "1"))
	options := StateOptions{Bind: true, Lease: LeaseOptions{Namespace: "verdict-system", Name: "verdict-bind", Identity: "me"}}
	w := makeState(t, s, everything, options)
	// Leases are in an API server of their own, where another replica holds this one.
	client := fake.NewClientset()
	other := startCandidate(t, client, "other")
	eventually(t, "the other replica's Lease", func() bool { return other.held() == nil })
	var err error
	w.lease, err = newLease(client.CoordinationV1(), options.Lease, time.Now, func(string) {}, w.Reload)
	must(t, err)
	w.run(t)
	eventually(t, "the first lists", func() bool { return w.Ready() == nil })
	if w.Active() == nil {
		t.Fatal("active while another one is")
	}
	if err := w.Bind(t.Context(), "default", "q", "uid-q", "a", nil); err == nil {
		t.Error("bound a pod while another one is active")
	}

	release := s.holdPods()
	other.resign(t.Context(), func() bool { return true })
	eventually(t, "the Lease", func() bool { return w.lease.held() == nil })
	if err := w.Active(); !errors.Is(err, errTakingOver) {
		t.Errorf("before the pods were listed again Active returns %v", err)
	}
	if w.Ready() != nil {
		t.Error("filter has no reason to wait")
	}
	release()
	eventually(t, "the list", func() bool { return w.Active() == nil })
	if lists := s.podListCount(); lists != 2 {
		t.Errorf("%d lists of pods, want 2", lists)
	}
	w.Resign(t.Context())
	if err := w.Active(); !errors.Is(err, errLeaving) {
		t.Errorf("after it resigned: %v", err)
	}
	other.cancel()
	<-other.ended
}
