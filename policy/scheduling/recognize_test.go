package scheduling

import (
	"fmt"
	"maps"
	"testing"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// TestRecognizeByTheSmallerAllocatable: a node that came whole with another
// capacity than the known one has its pods, and no more room than either says.
func TestRecognizeByTheSmallerAllocatable(t *testing.T) {
	const full = `package kubernetes.scheduling

reject contains "full" if input.state.free.cpu < 1000

reject contains "no device" if input.state.free["example.com/gpu"] < 1

reject contains "without pods" if count(input.state.pods) != 1

reject contains "small" if {
	units := {"1500m": 1500, "4": 4000, "4000m": 4000, "0": 0}
	units[input.node.status.allocatable.cpu] < 2000
}

reject contains "large" if input.node.status.allocatable.cpu == "8"

reject contains "new" if input.node.status.allocatable["example.com/nic"]

score.x := input.node.status.capacity.cpu
`
	profile := view(t, full, roomy).DefaultProfile()
	allocatable := func(capacity, members string) *nodes.Node {
		made, err := nodes.New(fmt.Appendf(nil, `{"metadata":{"name":"n"},"status":{"capacity":{"cpu":%q},"allocatable":%s}}`, capacity, members))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	known := allocatable("4", `{"cpu":"4","example.com/gpu":"2"}`).WithState(&nodes.State{
		Allocatable: map[string]int64{"cpu": 4000, "example.com/gpu": 2},
		Requested:   map[string]int64{"cpu": 1000, "example.com/gpu": 0, "pods": 1},
		Pods:        []*nodes.Pod{{Namespace: "default", Name: "p", UID: "1", Requests: map[string]int64{"cpu": 1000}}},
	})
	for name, test := range map[string]struct {
		capacity, sent string
		want           map[string]int64
	}{
		"the same":                          {"4", `{"cpu":"4","example.com/gpu":"2"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 2}},
		"the same, said otherwise":          {"4", `{"example.com/gpu":2,"cpu":"4000m"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 2}},
		"another capacity alone":            {"8", `{"cpu":"4","example.com/gpu":"2"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 2}},
		"more":                              {"8", `{"cpu":"8","example.com/gpu":"3"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 2}},
		"less":                              {"2", `{"cpu":"1500m","example.com/gpu":"2"}`, map[string]int64{"cpu": 1500, "example.com/gpu": 2}},
		"less of one and more of the other": {"8", `{"cpu":"8","example.com/gpu":"1"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 1}},
		"a resource that it lacks":          {"4", `{"cpu":"4"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 0}},
		"a resource that is new":            {"4", `{"cpu":"4","example.com/gpu":"2","example.com/nic":"1"}`, map[string]int64{"cpu": 4000, "example.com/gpu": 2}},
		"what cannot be read":               {"4", `{"cpu":"much","example.com/gpu":"2"}`, map[string]int64{"cpu": 0, "example.com/gpu": 2}},
		"nothing":                           {"4", `{}`, map[string]int64{"cpu": 0, "example.com/gpu": 0}},
		"null":                              {"4", `null`, map[string]int64{"cpu": 0, "example.com/gpu": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			sent := allocatable(test.capacity, test.sent)
			list := []*nodes.Node{sent}
			rules := []policy.SchedulingRule{policy.Unresolvable, policy.Reject}
			Recognize(profile, &fixed{known}, list, rules...)
			state := list[0].State()
			if state == nil || !maps.Equal(state.Allocatable, test.want) || len(state.Pods) != 1 || state.Requested["cpu"] != 1000 {
				t.Fatalf("the state is %+v, want %v", state, test.want)
			}
			filtered, _, err := Filter(t.Context(), profile, object(t, pod), list)
			if err != nil {
				t.Fatal(err)
			}
			if fit := test.want["cpu"] >= 2000 && test.want["example.com/gpu"] >= 1; filtered[0].Fit() != fit {
				t.Errorf("%+v, want fit: %v", filtered[0], fit)
			}
			if known.State().Allocatable["cpu"] != 4000 {
				t.Error("the known state was changed")
			}
		})
	}
}
