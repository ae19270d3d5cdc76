package scheduling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
)

const protecting = `package kubernetes.scheduling

protect contains "a database" if input.victim.labels.app == "db"

protect contains sprintf("kept by node %s", [input.node.metadata.name]) if input.node.keep == input.victim.name

protect contains "odd" if to_number(input.victim.labels.size) > 3
`

func victims(names ...string) []*nodes.Pod {
	out := make([]*nodes.Pod, len(names))
	for i, name := range names {
		out[i] = &nodes.Pod{Namespace: "a", Name: name, UID: "uid-" + name, Labels: map[string]string{"app": name, "size": "1"}}
	}
	return out
}

func TestPreempt(t *testing.T) {
	odd := victims("web")
	odd[0].Labels["size"] = "big"
	candidates := []Candidate{
		{node(t, "a", ""), victims("web", "cache")},
		{node(t, "b", ""), victims("web", "db", "cache")},
		{node(t, "c", `,"keep":"web"`), victims("web")},
		{node(t, "d", ""), nil},
		{nil, victims("web")},
		{node(t, "e", ""), []*nodes.Pod{victims("web")[0], nil}},
		{node(t, "f", ""), odd},
		{node(t, "g", ""), append(victims("db"), odd...)}, // protected before the error is met
	}
	want := []Preempted{
		{},
		{Protect: []string{"a database"}},
		{Protect: []string{"kept by node c"}},
		{},
		{Err: ErrUnknownNode},
		{Err: ErrUnknownVictim},
		{Err: &policy.EvaluationError{}},
		{Protect: []string{"a database"}},
	}
	for name, cache := range map[string]policy.CacheOptions{"nothing kept": {}, "kept": roomy} {
		t.Run(name, func(t *testing.T) {
			profile := view(t, protecting, cache).DefaultProfile()
			for turn := range 2 {
				decided, work, err := Preempt(t.Context(), profile, object(t, pod), candidates)
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if !slices.Equal(decided[i].Protect, want[i].Protect) || !likeError(decided[i].Err, want[i].Err) {
						t.Errorf("candidate %d: %+v, want %+v", i, decided[i], want[i])
					}
					if kept := len(want[i].Protect) == 0 && want[i].Err == nil; decided[i].Kept() != kept {
						t.Errorf("candidate %d: kept is %v", i, !kept)
					}
				}
				if work.Nodes != 8 {
					t.Errorf("%d victims were asked about, want 8", work.Nodes)
				}
				if turn == 1 && cache == roomy && work.Evaluations != 1 {
					t.Errorf("%d evaluations, want that of the error alone", work.Evaluations)
				}
			}
		})
	}
}

// likeError reports whether both are nil, the same, or faults of the policy.
func likeError(got, want error) bool {
	if _, ok := errors.AsType[*policy.EvaluationError](want); ok {
		_, ok = errors.AsType[*policy.EvaluationError](got)
		return ok
	}
	return errors.Is(got, want)
}

// TestPreemptWithoutNodes: where nothing is protected, or nothing of nodes is
// read, nothing needs to be known of them.
func TestPreemptWithoutNodes(t *testing.T) {
	for name, test := range map[string]struct {
		rules   string
		victims []*nodes.Pod
		kept    bool
	}{
		"no rule":              {"package kubernetes.scheduling", []*nodes.Pod{nil}, true},
		"victims alone":        {"package kubernetes.scheduling\n\nprotect contains \"x\" if input.victim.name == \"db\"", victims("web"), true},
		"a protected victim":   {"package kubernetes.scheduling\n\nprotect contains \"x\" if input.victim.name == \"db\"", victims("web", "db"), false},
		"a rule of the state":  {"package kubernetes.scheduling\n\nprotect contains \"x\" if input.state.free.cpu > 3", victims("web"), false},
		"an undecided victim":  {"package kubernetes.scheduling\n\nprotect contains \"x\" if input.pod.x", []*nodes.Pod{nil}, false},
		"nothing of the input": {"package kubernetes.scheduling\n\nprotect contains \"x\"", victims("web"), false},
	} {
		t.Run(name, func(t *testing.T) {
			profile := view(t, test.rules, roomy).DefaultProfile()
			decided, _, err := Preempt(t.Context(), profile, object(t, pod), []Candidate{{Victims: test.victims}})
			if err != nil || decided[0].Kept() != test.kept {
				t.Errorf("%+v, %v, want kept %v", decided, err, test.kept)
			}
		})
	}
}

func TestPreemptInTime(t *testing.T) {
	slow := "package kubernetes.scheduling\n\nprotect contains \"x\" if {\n\tsome i in numbers.range(1, 4000)\n\tsome j in numbers.range(1, 4000)\n\ti * j == -1\n}"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := Preempt(ctx, view(t, slow, roomy).DefaultProfile(), object(t, pod), []Candidate{{node(t, "a", ""), victims("web")}})
	if !errors.Is(err, policy.ErrTimeout) {
		t.Errorf("error %v, want ErrTimeout", err)
	}
}

func TestRecognize(t *testing.T) {
	const byLabel = `package kubernetes.scheduling

reject contains "unknown" if not input.state.free.cpu

reject contains input.node.labels.zone if input.node.labels.zone == "z"

score.x := 1 if input.node.labels.rank
`
	known := func(members string) *nodes.Node {
		return node(t, "n", members).WithState(&nodes.State{Allocatable: map[string]int64{"cpu": 1}})
	}
	for name, test := range map[string]struct {
		cluster, sent string
		want          bool
	}{
		"equal":                            {`,"labels":{"zone":"a"}`, `,"labels":{"zone":"a"}`, true},
		"another heartbeat":                {`,"labels":{"zone":"a"},"heartbeat":1`, `,"heartbeat":2,"labels":{"zone":"a"}`, true},
		"a label that rejects read":        {`,"labels":{"zone":"a"}`, `,"labels":{"zone":"b"}`, false},
		"a label that scores read":         {`,"labels":{"zone":"a","rank":1}`, `,"labels":{"zone":"a","rank":2}`, true},
		"absent and null are not the same": {`,"labels":{}`, `,"labels":{"zone":null}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			profile := view(t, byLabel, roomy).DefaultProfile()
			f := &fixed{known(test.cluster)}
			list := []*nodes.Node{node(t, "n", test.sent), node(t, "other", test.sent)}
			Recognize(profile, f, list, policy.Unresolvable, policy.Reject)
			if got := list[0] == f.node; got != test.want || list[1].State() != nil {
				t.Errorf("recognized is %v and %v, want %v and false", got, list[1].State() != nil, test.want)
			}
			if state := list[0].State(); state == nil || state.Allocatable["cpu"] != 1 {
				t.Errorf("the state is %+v, want the known one", state)
			}
		})
	}
	t.Run("another UID", func(t *testing.T) {
		sent, err := nodes.New([]byte(`{"metadata":{"name":"n","uid":"2"}}`))
		if err != nil {
			t.Fatal(err)
		}
		list := []*nodes.Node{sent}
		Recognize(view(t, byLabel, roomy).DefaultProfile(), &fixed{known("")}, list, policy.Reject)
		if list[0].State() != nil {
			t.Error("a node of that name that was made anew is taken for the other")
		}
	})
	t.Run("classes that were dropped for room", func(t *testing.T) {
		profile := view(t, byLabel, roomy).DefaultProfile()
		cluster := known(`,"labels":{"zone":"a"}`)
		placer := profile.Placer(policy.Reject, object(t, pod))
		placer.Class(cluster)
		for i := range 30_000 {
			placer.Class(node(t, "n", fmt.Sprintf(`,"labels":{"zone":"%0300d"}`, i)))
		}
		list := []*nodes.Node{node(t, "n", `,"labels":{"zone":"a"}`)}
		Recognize(profile, &fixed{cluster}, list, policy.Reject)
		if list[0].State() == nil {
			t.Error("equal nodes are not recognized")
		}
	})
}

// fixed are Nodes with one in them.
type fixed struct{ node *nodes.Node }

func (f *fixed) Find(names [][]byte, list []*nodes.Node) {
	for i, name := range names {
		if string(name) == f.node.Name() {
			list[i] = f.node
		}
	}
}

func (f *fixed) Ready() error { return nil }

// TestSharingOfStates: nodes that are alike in what is read of their states are
// decided once, and a state that changes costs its own node an evaluation.
func TestSharingOfStates(t *testing.T) {
	profile := view(t, "package kubernetes.scheduling\n\nreject contains \"full\" if input.state.free.cpu < 500", roomy).DefaultProfile()
	at := func(i int, requested int64) *nodes.Node {
		return node(t, fmt.Sprint("n", i), "").WithState(&nodes.State{
			Allocatable: map[string]int64{"cpu": 1000}, Requested: map[string]int64{"cpu": requested, "memory": int64(i)},
		})
	}
	list := make([]*nodes.Node, 100)
	for i := range list {
		list[i] = at(i, int64(i%4)*250)
	}
	wants := func(want Sharing) {
		t.Helper()
		if _, work, err := Filter(t.Context(), profile, object(t, pod), list); err != nil || work != want {
			t.Errorf("work %+v, %v, want %+v", work, err, want)
		}
	}
	// unresolvable, which no policy gives, is one class of all nodes.
	wants(Sharing{Nodes: 200, Classes: 5, Evaluations: 4})
	wants(Sharing{Nodes: 200, Classes: 5})
	list[7] = at(7, 900)
	wants(Sharing{Nodes: 200, Classes: 6, Evaluations: 1})
	list[7] = at(7, 750)
	wants(Sharing{Nodes: 200, Classes: 5})
}
