package cluster

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/nodes"
)

func podOn(node, name, uid string, cpu int64) *podRecord {
	return &podRecord{node: node, state: &nodes.Pod{
		Namespace: "default", Name: name, UID: uid, Requests: map[string]int64{"cpu": cpu},
	}}
}

// fromScratch is what ledger keeps up to date, computed from what it was told.
func fromScratch(l *ledger, node string) (requested map[string]int64, pods []*nodes.Pod) {
	requested = map[string]int64{}
	add := func(on string, pod *nodes.Pod) {
		if on != node {
			return
		}
		pods = append(pods, pod)
		for name, amount := range pod.Requests {
			if requested[name] += amount; requested[name] == 0 {
				delete(requested, name)
			}
		}
	}
	for _, record := range l.pods {
		add(record.node, record.state)
	}
	for _, of := range l.assumed {
		for _, assumed := range of {
			add(assumed.node, assumed.state)
		}
	}
	slices.SortFunc(pods, comparePods)
	return requested, pods
}

func checkLedger(t *testing.T, l *ledger, nodes []string) {
	t.Helper()
	for _, node := range nodes {
		requested, pods := fromScratch(l, node)
		on := l.nodes[node]
		if on == nil {
			on = &occupancy{}
		}
		if !maps.Equal(on.requested, requested) || !slices.Equal(on.pods, pods) {
			t.Fatalf("node %s: %v of %d pods, want %v of %d", node, on.requested, len(on.pods), requested, len(pods))
		}
	}
	for uid := range l.assumed {
		if l.bound(uid) != "" {
			t.Fatalf("pod %s is bound and assumed", uid)
		}
	}
}

// Whatever comes in whichever order, a pod is counted once, and the sums are
// those of all pods there are.
func TestLedgerProperty(t *testing.T) {
	nodes := []string{"a", "b", "c"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := newLedger()
		pick := func() (name, uid string) {
			n := random.IntN(8)
			return fmt.Sprint("pod-", n), fmt.Sprint("uid-", n, "-", random.IntN(2))
		}
		for range 200 {
			name, uid := pick()
			record := podOn("", name, uid, int64(random.IntN(3)))
			switch random.IntN(8) {
			case 0: // created, or changed while it is pending
				if l.bound(uid) == "" {
					l.put(record)
				}
			case 1, 2: // bound, moved or changed
				record.node = nodes[random.IntN(len(nodes))]
				l.put(record)
			case 3:
				l.remove(uid)
			case 4, 5:
				known, open := l.bound(uid), l.assumed[uid] == nil
				if _, err := l.assume(record.state, nodes[random.IntN(len(nodes))], nil, time.Time{}); (err == nil) != (known == "" && open) {
					t.Fatalf("seed %d: assuming what is bound to %q, assumed %v: %v", seed, known, !open, err)
				}
			case 6: // forgotten or expired
				l.forgetAll(uid, "")
			case 7: // listed again
				assumed := maps.Clone(l.assumed)
				var list []*podRecord
				for n := range random.IntN(8) {
					listed := podOn(append(nodes, "")[random.IntN(len(nodes)+1)], fmt.Sprint("pod-", n), fmt.Sprint("uid-", n, "-", random.IntN(2)), int64(random.IntN(3)))
					list = append(list, listed)
				}
				l.replace(list, time.Time{})
				if len(l.pods) != len(list) {
					t.Fatalf("seed %d: %d pods after a list of %d", seed, len(l.pods), len(list))
				}
				for uid := range assumed {
					if l.bound(uid) == "" && l.assumed[uid] == nil {
						t.Fatalf("seed %d: a list without it ended the assumption of %s", seed, uid)
					}
				}
			}
			checkLedger(t, l, nodes)
		}
		l.clear()
		for uid := range maps.Clone(l.assumed) {
			l.forgetAll(uid, "")
		}
		if len(l.nodes) != 0 || len(l.pods) != 0 || len(l.uids) != 0 {
			t.Fatalf("seed %d: something stays: %v", seed, l.nodes)
		}
	}
}

func TestLedgerChangesOnlyTheNodesOfAPod(t *testing.T) {
	l := newLedger()
	expect := func(step string, want ...string) {
		t.Helper()
		got := l.changed()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: nodes %v changed, want %v", step, got, want)
		}
	}
	l.put(podOn("a", "p", "1", 1))
	expect("bound", "a")
	l.put(podOn("a", "p", "1", 1))
	expect("the same again")
	l.put(podOn("", "q", "2", 1))
	expect("pending")
	_, err := l.assume(podOn("", "q", "2", 1).state, "b", nil, time.Time{})
	must(t, err)
	expect("assumed", "b")
	l.put(podOn("c", "q", "2", 1))
	expect("bound elsewhere", "b", "c")
	l.put(podOn("c", "p", "3", 1))
	expect("another pod of that name", "a", "c")
	l.remove("3")
	expect("removed", "c")
}

func TestLedgerState(t *testing.T) {
	l := newLedger()
	l.put(podOn("a", "p", "1", 1500))
	l.put(podOn("a", "o", "2", 0))
	allocatable := map[string]int64{"cpu": 4000, "memory": 1, "pods": 110}
	state := l.state("a", allocatable, everything)
	if want := map[string]int64{"cpu": 1500, "memory": 0, "pods": 2}; !maps.Equal(state.Requested, want) || !maps.Equal(state.Allocatable, allocatable) {
		t.Errorf("requested %v of %v", state.Requested, state.Allocatable)
	}
	if len(state.Pods) != 2 || state.Pods[0].Name != "o" || state.Pods[1].Name != "p" {
		t.Errorf("the pods are %v, want o and p", state.Pods)
	}
	l.put(podOn("a", "n", "3", 1))
	if len(state.Pods) != 2 || state.Requested["cpu"] != 1500 {
		t.Error("a state that was given out changed")
	}
	empty := l.state("b", allocatable, nodes.Reads{State: true, Requested: true})
	if want := map[string]int64{"cpu": 0, "memory": 0, "pods": 0}; !maps.Equal(empty.Requested, want) || empty.Pods != nil {
		t.Errorf("an empty node: %+v", empty)
	}
	if only := l.state("a", allocatable, nodes.Reads{State: true, Pods: true}); only.Requested != nil || len(only.Pods) != 3 {
		t.Errorf("with pods alone: %+v", only)
	}
}
