package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// busyState is a state with something of everything.
func busyState() *nodes.State {
	return &nodes.State{
		Allocatable: map[string]int64{"cpu": 8000, "memory": 32 << 30, "pods": 110, "example.com/gpu": 8},
		Requested:   map[string]int64{"cpu": 8500, "memory": 1 << 30, "pods": 2, "example.com/other": 1},
		Pods: []*nodes.Pod{
			{
				Namespace: "a", Name: "p", UID: "1", Priority: -5,
				Labels: map[string]string{"app": "x"}, Annotations: map[string]string{"example.com/gpu": "3"},
				OwnerKind: "ReplicaSet", OwnerName: "rs", Requests: map[string]int64{"cpu": 500},
				Created: time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600)),
			},
			{Namespace: "b", Name: "q", UID: "2", Assumed: true},
		},
	}
}

const busyJSON = `{
	"allocatable": {"cpu": 8000, "memory": 34359738368, "pods": 110, "example.com/gpu": 8},
	"requested": {"cpu": 8500, "memory": 1073741824, "pods": 2, "example.com/other": 1},
	"free": {"cpu": -500, "memory": 33285996544, "pods": 108, "example.com/gpu": 8},
	"quantities": {
		"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110", "example.com/gpu": "8"},
		"requested": {"cpu": "8500m", "memory": "1Gi", "pods": "2", "example.com/other": "1"},
		"free": {"cpu": "-500m", "memory": "31Gi", "pods": "108", "example.com/gpu": "8"}
	},
	"pods": [
		{
			"namespace": "a", "name": "p", "uid": "1", "priority": -5, "labels": {"app": "x"}, "annotations": {"example.com/gpu": "3"},
			"owner": {"kind": "ReplicaSet", "name": "rs"}, "requests": {"cpu": 500}, "created": "2026-02-03T03:05:06Z"
		},
		{"namespace": "b", "name": "q", "uid": "2", "priority": 0, "labels": {}, "annotations": {}, "requests": {}, "assumed": true}
	]
}`

// TestPoliciesSeeState shows the whole of a state, and the same of a rule that
// reads a part of it.
func TestPoliciesSeeState(t *testing.T) {
	for name, test := range map[string]struct{ shown, want string }{
		"all of it":          {"input.state", busyJSON},
		"all of the input":   {"input", `{"pod":{},"node":{"metadata":{"name":"n","x":1}},"state":` + busyJSON + `}`},
		"one number":         {"input.state.free.cpu", "-500"},
		"one quantity":       {`input.state.quantities.free["memory"]`, `"31Gi"`},
		"some of one":        {"{resource: n | some resource, n in input.state.free; n > 1000}", `{"memory":33285996544}`},
		"a pod's annotation": {`[p.annotations["example.com/gpu"] | some p in input.state.pods]`, `["3"]`},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{Cache: roomy}, sched+"reject contains json.marshal("+test.shown+")")
			n := namedNode(t, "n", `"x":1`).WithState(busyState())
			for range 2 {
				shown := reject(t, e.View(), object(t, `{}`), n).Reasons()
				if len(shown) != 1 {
					t.Fatalf("%v, want one reason", shown)
				}
				if got, want := decodedJSON(t, shown[0]), decodedJSON(t, test.want); !reflect.DeepEqual(got, want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
			}
		})
	}
}

func decodedJSON(t *testing.T, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAStateThatIsNotKnown(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, sched+`
reject contains "unknown" if not input.state
reject contains "full" if input.state.free.cpu < 100
reject contains "no memory" if not input.state.free.memory`)
	n := namedNode(t, "n", `"x":1`)
	for range 2 {
		equal(t, "without a state", reject(t, e.View(), object(t, `{}`), n).Reasons(), []string{"no memory", "unknown"})
		equal(t, "with an empty one", reject(t, e.View(), object(t, `{}`), n.WithState(&nodes.State{})).Reasons(), []string{"no memory"})
		equal(t, "with one", reject(t, e.View(), object(t, `{}`), n.WithState(busyState())).Reasons(), []string{"full"})
		equal(t, "taken away", reject(t, e.View(), object(t, `{}`), n.WithState(busyState()).WithState(nil)).Reasons(), []string{"no memory", "unknown"})
	}
}

const byCPU = sched + `
reject contains "full" if input.state.free.cpu < 1000
unresolvable contains "zone" if input.node.metadata.labels.zone != "a"
`

func withCPU(n *nodes.Node, requested int64, pod string) *nodes.Node {
	return n.WithState(&nodes.State{
		Allocatable: map[string]int64{"cpu": 4000}, Requested: map[string]int64{"cpu": requested, "memory": requested},
		Pods: []*nodes.Pod{{Namespace: "a", Name: pod, UID: pod}},
	})
}

// TestClassesOfStates: nodes that a rule cannot tell apart by their states are
// one class, and a changed state touches the classes of rules that read it alone.
func TestClassesOfStates(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, byCPU)
	profile, pod := e.View().DefaultProfile(), object(t, `{}`)
	rejects, unresolvable := profile.Placer(Reject, pod), profile.Placer(Unresolvable, pod)
	n := namedNode(t, "n", `"labels":{"zone":"a"}`)
	first := withCPU(n, 1000, "p")
	class := rejects.Class(first)
	if got := rejects.Class(withCPU(n, 1000, "q")); got != class {
		t.Error("another pod, which is not read, makes another class")
	}
	if got := rejects.Class(withCPU(namedNode(t, "m", `"labels":{"zone":"b"}`), 1000, "p")); got != class {
		t.Error("another node, of which nothing is read, makes another class")
	}
	if got := rejects.Class(withCPU(n, 2000, "p")); got == class {
		t.Error("another amount of free CPU is of the same class")
	}
	if got := rejects.Class(n); got == class {
		t.Error("no state is of the same class as one")
	}
	unresolvable.Class(first)
	looked := lookedUp(e)
	if unresolvable.Class(withCPU(n, 3000, "p")); lookedUp(e) != looked {
		t.Error("the class for the rule that reads no state got lost with the state")
	}
}

// lookedUp is how often a class of nodes was looked up that no node remembered.
func lookedUp(e *Engine) uint64 {
	stats := e.CacheStats()[cache.NodeClasses]()
	return stats.Hits + stats.Misses
}

func TestClassesOfNodeAndStateTogether(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, sched+`
reject contains input.node.metadata.labels.zone if input.state.free.cpu < 1000`)
	for range 2 {
		for _, zone := range []string{"a", "b"} {
			n := namedNode(t, zone, fmt.Sprintf(`"labels":{"zone":%q}`, zone))
			equal(t, zone+", full", reject(t, e.View(), object(t, `{}`), withCPU(n, 3500, "p")).Reasons(), []string{zone})
			equal(t, zone+", free", reject(t, e.View(), object(t, `{}`), withCPU(n, 500, "p")).Reasons(), nil)
		}
	}
}

// Pods come and go all the time: nodes stay of one class while what rules read of
// their pods is alike.
func TestClassesByWhatIsReadOfPods(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, sched+`reject contains "noisy" if {
	some pod in input.state.pods
	pod.labels.noisy == "true"
}`)
	placer := e.View().DefaultProfile().Placer(Reject, object(t, `{}`))
	n := namedNode(t, "n", `"x":1`)
	with := func(name, noisy string) *nodes.Node {
		pod := &nodes.Pod{Namespace: "default", Name: name, UID: name, Labels: map[string]string{"app": name, "noisy": noisy}}
		return n.WithState(&nodes.State{Pods: []*nodes.Pod{pod}})
	}
	quiet, noisy := with("a", "false"), with("b", "true")
	if placer.Class(quiet) != placer.Class(with("c", "false")) {
		t.Error("pods are told apart by names that nobody reads")
	}
	if placer.Class(quiet) == placer.Class(noisy) {
		t.Error("pods are not told apart by a label that is read")
	}
	equal(t, "quiet", reject(t, e.View(), object(t, `{}`), quiet).Reasons(), nil)
	equal(t, "noisy", reject(t, e.View(), object(t, `{}`), noisy).Reasons(), []string{"noisy"})
}

func TestClassifyFindsOutAllThatRulesRead(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, byCPU)
	n := namedNode(t, "n", `"labels":{"zone":"a"}`)
	changed := withCPU(n, 1000, "p")
	e.Classify(changed)
	looked := lookedUp(e)
	for _, rule := range []SchedulingRule{Reject, Unresolvable} {
		e.View().DefaultProfile().Placer(rule, object(t, `{}`)).Class(changed)
		if lookedUp(e) != looked {
			t.Errorf("rule %d: the class of the node is not known", rule)
		}
	}
	NewEngine(Options{}, nil).Classify(changed) // nothing to find out yet
}

func TestWhatIsReadOfStates(t *testing.T) {
	for name, test := range map[string]struct {
		rules string
		want  nodes.Reads
	}{
		"nothing":                   {`reject contains "x" if input.node.full`, nodes.Reads{}},
		"whether there is any":      {`reject contains "x" if not input.state`, nodes.Reads{State: true, Requested: true, Pods: true, Labels: true, Annotations: true, Owners: true, Requests: true}},
		"free":                      {`score["x"] := input.state.free.cpu`, nodes.Reads{State: true, Requested: true}},
		"quantities":                {`deny contains "x" if input.state.quantities.requested.cpu == "1"`, nodes.Reads{State: true, Requested: true}},
		"pods":                      {`reject contains "x" if count(input.state.pods) > 3`, nodes.Reads{State: true, Pods: true, Labels: true, Annotations: true, Owners: true, Requests: true}},
		"the labels of pods":        {"reject contains \"x\" if {\n\tsome p in input.state.pods\n\tp.labels.app == \"db\"\n}", nodes.Reads{State: true, Pods: true, Labels: true}},
		"the owners of pods":        {`reject contains "x" if input.state.pods[_].owner.kind == "Job"`, nodes.Reads{State: true, Pods: true, Owners: true}},
		"whole pods":                {"reject contains p if some p in input.state.pods", nodes.Reads{State: true, Pods: true, Labels: true, Annotations: true, Owners: true, Requests: true}},
		"a victim's priority":       {`protect contains "x" if input.victim.priority > 3`, nodes.Reads{State: true, Pods: true}},
		"a victim's labels":         {`protect contains "x" if input.victim.labels.app == "db"`, nodes.Reads{State: true, Pods: true, Labels: true}},
		"a victim's owner":          {`protect contains "x" if input.victim.owner.kind == "Job"`, nodes.Reads{State: true, Pods: true, Owners: true}},
		"all victims' labels":       {"protect contains \"x\" if {\n\tsome v in input.victims\n\tv.labels.app == \"db\"\n}", nodes.Reads{State: true, Pods: true, Labels: true}},
		"what is free afterwards":   {`protect contains "x" if input.stateWithout.free.cpu < 3`, nodes.Reads{State: true, Requested: true}},
		"who stays":                 {`protect contains "x" if input.stateWithout.pods[_].owner.kind == "Job"`, nodes.Reads{State: true, Pods: true, Owners: true}},
		"authorization's \"state\"": {"reject contains \"x\" if false\n", nodes.Reads{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{Cache: roomy}, sched+test.rules, authz+`allow contains "x" if input.state`)
			if got := e.ReadsState(); got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}
