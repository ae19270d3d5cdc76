package nodes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/footprint"
)

// TestClassesAreBounded: a class for which there is no room any more stays what it
// is for the nodes that remember it, and takes no memory worth mentioning.
func TestClassesAreBounded(t *testing.T) {
	const most, slot = 20_000, 0
	reads := document.NewSelection(&footprint.Paths{Fields: map[string]*footprint.Paths{"name": {Whole: true}}})
	var last uint64
	number := func() uint64 { last++; return last }
	kept := NewCache(cache.Budget{Bytes: most * 100 / cache.Weights()[cache.NodeClasses], Entries: 1000}, number)
	classes := newClasses(reads, kept)
	named := func(i int) *Node {
		n, err := New(fmt.Appendf(nil, `{"metadata":{"name":"n"},"name":"node-%06d"}`, i))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	nodes := make([]*Node, 2000)
	ids := map[uint64]int{}
	for i := range nodes {
		nodes[i] = named(i)
		class := classes.of(nodes[i], slot)
		if classes.of(nodes[i], slot) != class {
			t.Fatal("a node's class changed although it was remembered")
		}
		ids[class.id] = i
	}
	if len(ids) != len(nodes) {
		t.Errorf("%d numbers for %d classes", len(ids), len(nodes))
	}
	if stats := kept.Stats(); stats.Bytes > 2*most || stats.Entries > most/sizeOfClass || stats.Evictions == 0 {
		t.Errorf("got %+v, the bound is %d bytes", stats, most)
	}
	dropped := 0
	for i, n := range nodes {
		class := classes.of(n, slot)
		if ids[class.id] != i {
			t.Errorf("node %d has the class of node %d", i, ids[class.id])
		}
		if class.held.Load() == nil {
			dropped++
		}
		if got := class.Object(n).String(); !strings.Contains(got, fmt.Sprintf("node-%06d", i)) {
			t.Errorf("node %d is read as %s", i, got)
		}
		if other := named(i); !classes.alike(n, other, slot) || classes.alike(n, nodes[(i+1)%len(nodes)], slot) {
			t.Errorf("node %d is in another class than an equal node, or in the class of a different one", i)
		}
	}
	if dropped < len(nodes)/2 {
		t.Errorf("%d of %d classes were dropped", dropped, len(nodes))
	}
}

// TestClassesOfStatesAreBounded: states that never come again are not kept, nor
// does a node with one of those lose its class.
func TestClassesOfStatesAreBounded(t *testing.T) {
	const most, slot = 10_000, 0
	var last uint64
	number := func() uint64 { last++; return last }
	kept := NewCache(cache.Budget{Bytes: most * 100 / cache.Weights()[cache.NodeClasses], Entries: 1000}, number)
	objects, states := newClasses(nil, kept), newClasses(document.All(), kept)
	n, err := New([]byte(`{"metadata":{"name":"n","x":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	object := objects.of(n, slot)
	for i := range 1000 {
		changed := n.WithState(&State{Requested: map[string]int64{"cpu": int64(i)}})
		class := states.ofState(changed, object, slot)
		if states.ofState(changed, object, slot) != class || class.object != object {
			t.Fatal("a node's class changed although it was remembered")
		}
		if stats := kept.Stats(); stats.Bytes > 2*most {
			t.Fatalf("%d bytes are kept, the bound is %d", stats.Bytes, most)
		}
	}
}

// TestClassifyRemembersWhatRulesRead classifies a node for two rules that read its
// object, one of which reads its state too: of the other no class of states is
// remembered.
func TestClassifyRemembersWhatRulesRead(t *testing.T) {
	const withState, withoutState = 0, slotsPerProfile + 1
	reads := document.NewSelection(&footprint.Paths{Fields: map[string]*footprint.Paths{"metadata": {Whole: true}}})
	var last uint64
	kept := NewCache(cache.Budget{Bytes: 1 << 20, Entries: 1000}, func() uint64 { last++; return last })
	tables := []*Table{NewTable(withState, reads, document.All(), nil, kept), NewTable(withoutState, reads, nil, nil, kept)}
	n, err := New([]byte(`{"metadata":{"name":"n"}}`))
	if err != nil {
		t.Fatal(err)
	}
	n = n.WithState(&State{Requested: map[string]int64{"cpu": 1000}})
	Classify(n, nil) // for no rule
	if n.classes.get(withState) != nil || n.stated.get(withState) != nil {
		t.Error("a class is remembered without a rule")
	}
	Classify(n, tables)
	for _, table := range tables {
		if n.classes.get(table.slot) == nil {
			t.Errorf("slot %d: the class of the object is not remembered", table.slot)
		}
	}
	if n.stated.get(withState) == nil {
		t.Error("the class of the state is not remembered for the rule that reads it")
	}
	for slot := range 2 * slotsPerProfile {
		if slot != withState && n.stated.get(slot) != nil {
			t.Errorf("slot %d: a class of states is remembered for a rule that reads none", slot)
		}
	}
	// Then it is only looked up.
	for _, table := range tables {
		object := n.classes.get(table.slot)
		if class := table.Class(n); class != object && (!table.ReadsState() || class.object != object) {
			t.Errorf("slot %d: the node has another class than the one remembered", table.slot)
		}
	}
}
