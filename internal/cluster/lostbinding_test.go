package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// bindPod binds a pod as a scheduler does that waits for four seconds.
func (h *history) bindPod(name, node string) (scheduling.Bound, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	bound, _, err := scheduling.Bind(ctx, h.profile, h.state, scheduling.Binding{Namespace: "default", Name: name, UID: "uid-" + name, Node: node})
	return bound, err
}

// on is the node and the device that the API server has for the pod.
func (h *history) on(name string) (node, device string) {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	pod := h.server.pods[name]
	return pod.Spec.NodeName, pod.Annotations["device"]
}

func (h *history) mustBind(name, node string) {
	h.t.Helper()
	if bound, err := h.bindPod(name, node); err != nil || len(bound.Deny) > 0 {
		h.t.Errorf("binding %s to %s: %+v, %v", name, node, bound, err)
	}
}

// lateBindings loses each Binding, which arrives that much later.
func (h *history) lateBindings(late time.Duration) {
	h.server.setFault(func(binding bool) fault {
		if binding {
			return fault{late: late}
		}
		return fault{}
	})
}

func withHistory(t *testing.T, test func(t *testing.T, h *history)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, 0)
		for _, name := range []string{"p", "q", "r"} {
			made := pod(name, "", "1")
			made.Annotations = nil
			h.server.create(made)
		}
		time.Sleep(5 * time.Second)
		test(t, h)
		h.server.limbo.Wait()
		time.Sleep(assumedFor + askAgainAfter + 2*betweenSweeps)
		if difference := h.difference(); difference != "" {
			t.Error(difference)
		}
	})
}

// TestABindingThatArrivesLate keeps its device, and the pod is not locked out
// until it is known what became of it.
func TestABindingThatArrivesLate(t *testing.T) {
	const late = 20 * time.Second
	lose := func(t *testing.T, h *history) {
		t.Helper()
		h.lateBindings(late)
		if _, err := h.bindPod("p", "a"); !errors.Is(err, scheduling.ErrBindUnknown) {
			t.Fatalf("got %v, want that it is not known", err)
		}
		h.server.setFault(nil)
	}
	t.Run("another pod gets another device", func(t *testing.T) {
		withHistory(t, func(t *testing.T, h *history) {
			lose(t, h)
			h.mustBind("q", "a")
			time.Sleep(late)
			if node, device := h.on("p"); node != "a" || device != "0" {
				t.Errorf("the late Binding brought %s and device %s", node, device)
			}
			if _, device := h.on("q"); device != "1" {
				t.Errorf("the other pod has device %s", device)
			}
		})
	})
	t.Run("the pod is bound there all the same", func(t *testing.T) {
		withHistory(t, func(t *testing.T, h *history) {
			lose(t, h)
			h.mustBind("q", "a")
			h.mustBind("p", "a")
			if _, device := h.on("p"); device != "0" {
				t.Errorf("the pod has device %s, and the late Binding may bring 0", device)
			}
		})
	})
	t.Run("a second attempt keeps the device of the first", func(t *testing.T) {
		withHistory(t, func(t *testing.T, h *history) {
			h.mustBind("q", "a")
			lose(t, h) // with device 1
			h.server.edit("q", func(p *corev1.Pod) *corev1.Pod { p.Status.Phase = corev1.PodFailed; return p })
			time.Sleep(time.Second)
			lose(t, h)
			var found [1]*nodes.Node
			h.state.Find([][]byte{[]byte("a")}, found[:])
			if state := found[0].State(); state.Requested["cpu"] != 1000 || len(state.Pods) != 1 {
				t.Errorf("the pod counts as %v and %d pods", state.Requested, len(state.Pods))
			}
			h.mustBind("p", "a")
			if _, device := h.on("p"); device != "1" {
				t.Errorf("the pod has device %s, and a late Binding may bring 1", device)
			}
			h.mustBind("r", "a")
			if _, device := h.on("r"); device != "0" {
				t.Errorf("the other pod has device %s", device)
			}
		})
	})
	t.Run("the pod is bound elsewhere", func(t *testing.T) {
		withHistory(t, func(t *testing.T, h *history) {
			lose(t, h)
			h.mustBind("p", "b")
			h.mustBind("q", "a")
			if _, device := h.on("q"); device != "0" {
				t.Errorf("the other pod has device %s: the room on the first node is not free again", device)
			}
		})
	})
	t.Run("a second Binding that is refused", func(t *testing.T) {
		withHistory(t, func(t *testing.T, h *history) {
			lose(t, h)
			h.server.setFault(func(binding bool) fault {
				if binding {
					return fault{code: 403}
				}
				return fault{}
			})
			if _, err := h.bindPod("p", "a"); err == nil {
				t.Error("a Binding that was refused is no error")
			}
			h.server.setFault(nil)
			h.mustBind("q", "a")
			time.Sleep(late)
			if _, device := h.on("q"); device != "1" {
				t.Errorf("the other pod has device %s, which the late Binding brings too", device)
			}
		})
	})
}

// TestABindingOutlivesItsCall: what is under way when its caller has gone is seen
// through, and a retry is told what became of it.
func TestABindingOutlivesItsCall(t *testing.T) {
	for name, test := range map[string]struct {
		slow fault
		node string // of the retry
		want string
	}{
		"it is bound":                       {fault{delay: 6 * time.Second}, "a", ""},
		"it is bound, and wanted elsewhere": {fault{delay: 6 * time.Second}, "b", "pod default/p is bound to another node, a"},
		"it is refused":                     {fault{delay: 6 * time.Second, code: 403}, "b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			withHistory(t, func(t *testing.T, h *history) {
				h.server.setFault(func(binding bool) fault {
					if binding {
						return test.slow
					}
					return fault{}
				})
				began := time.Now()
				if _, err := h.bindPod("p", "a"); !errors.Is(err, scheduling.ErrBindUnknown) || time.Since(began) > 4*time.Second {
					t.Fatalf("got %v after %s", err, time.Since(began))
				}
				h.server.setFault(nil)
				_, err := h.bindPod("p", test.node)
				if took := time.Since(began); took > 7*time.Second {
					t.Errorf("the retry was answered after %s", took)
				}
				if (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
					t.Errorf("the retry got %v, want %q", err, test.want)
				}
			})
		})
	}
}

// TestANewFeedKeepsWhatTheOldOneSaw: its list may be older.
func TestANewFeedKeepsWhatTheOldOneSaw(t *testing.T) {
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		listed []*podRecord
		seen   time.Time
		since  time.Time
		kept   bool
	}{
		"pending in the list":               {[]*podRecord{podOn("", "p", "1", 1)}, began, began.Add(time.Second), true},
		"not in the list, and newer":        {nil, began.Add(time.Second), began, true},
		"not in the list, and older":        {nil, began, began.Add(time.Second), false},
		"not in a later list of one feed":   {nil, began, time.Time{}, false},
		"bound in the list, as it was seen": {[]*podRecord{podOn("a", "p", "1", 1)}, began, began.Add(time.Second), true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			l.asks = true
			record := podOn("a", "p", "1", 1)
			record.at = test.seen
			l.put(record)
			l.replace(test.listed, test.since)
			state := l.state("a", nil, nodes.Reads{State: true, Requested: true})
			if kept := state.Requested["cpu"] == 1; kept != test.kept {
				t.Errorf("kept: %v, want %v", kept, test.kept)
			}
			checkLedger(t, l, []string{"a"})
		})
	}
}
