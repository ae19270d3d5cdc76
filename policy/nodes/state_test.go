package nodes

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/document"
)

func TestStateWithoutPods(t *testing.T) {
	pod := &Pod{UID: "1", Requests: map[string]int64{"cpu": 100, "memory": 5, "example.com/gpu": 2}}
	other := &Pod{UID: "2", Requests: map[string]int64{"cpu": 7}}
	state := &State{
		Allocatable: map[string]int64{"memory": 10},
		Requested:   map[string]int64{"cpu": 107, "memory": 5, "pods": 2, "example.com/gpu": 2}, Pods: []*Pod{pod, other},
	}
	if got := state.Without("3"); got != state {
		t.Error("another state without a pod that is not in it")
	}
	if got := (*State)(nil).Without("3"); got != nil {
		t.Error("a state of none")
	}
	for name, test := range map[string]struct {
		gone      []string
		requested map[string]int64
		left      []*Pod
	}{
		// Zeros are of what is allocatable, as on a node that never had the pod.
		"one":           {[]string{"1"}, map[string]int64{"cpu": 7, "memory": 0, "pods": 1}, []*Pod{other}},
		"another":       {[]string{"2", "3"}, map[string]int64{"cpu": 100, "memory": 5, "pods": 1, "example.com/gpu": 2}, []*Pod{pod}},
		"all, repeated": {[]string{"2", "1", "2"}, map[string]int64{"memory": 0, "pods": 0}, []*Pod{}},
	} {
		got := state.Without(test.gone...)
		if !reflect.DeepEqual(got.Requested, test.requested) || !reflect.DeepEqual(got.Pods, test.left) {
			t.Errorf("%s: %v and %v, want %v and %v", name, got.Requested, got.Pods, test.requested, test.left)
		}
		counted := (&State{Allocatable: state.Allocatable, Requested: state.Requested, Counted: state.Pods}).Without(test.gone...)
		if !reflect.DeepEqual(counted.Requested, test.requested) || counted.Pods != nil {
			t.Errorf("%s, where no rule reads the list: %v and %v, want %v", name, counted.Requested, counted.Pods, test.requested)
		}
	}
	if state.Requested["cpu"] != 107 || len(state.Pods) != 2 || state.Pods[0] != pod {
		t.Error("the state that others hold was changed")
	}
	if got := (&State{Pods: state.Pods}).Without("1"); len(got.Pods) != 1 || len(got.Requested) > 0 {
		t.Errorf("nothing added up: %+v", got)
	}
}

// BenchmarkStatePods is what a decision pays for input.state.pods of a node on
// which one of 100 pods has changed since the last one, and where all have.
func BenchmarkStatePods(b *testing.B) {
	state := &State{}
	for i := range 100 {
		state.Pods = append(state.Pods, &Pod{
			Namespace: "default", Name: fmt.Sprintf("pod-%03d", i), UID: fmt.Sprint(i),
			Labels:      map[string]string{"app": "web", "team": "payments", "tier": "frontend"},
			Annotations: map[string]string{"gpu.example.com/device": "3", "gpu.example.com/memory": "8"},
			OwnerKind:   "ReplicaSet", OwnerName: "web", Requests: map[string]int64{"cpu": 500, "memory": 1 << 30},
			Created: time.Unix(1_700_000_000, 0),
		})
	}
	for name, changed := range map[string]int{"one": 1, "all": len(state.Pods)} {
		b.Run(name, func(b *testing.B) {
			_ = state.Project(document.All())
			for b.Loop() {
				for _, pod := range state.Pods[:changed] {
					pod.listed.Store(nil)
				}
				_ = state.Project(document.All())
			}
		})
	}
}
