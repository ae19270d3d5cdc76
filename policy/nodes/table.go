package nodes

import (
	"github.com/verdict-dev/verdict/policy/document"
)

// Table finds the classes of nodes for one rule. It does not change, but it gets more
// classes. It is safe for concurrent use.
type Table struct {
	slot int
	// objects are the classes of nodes by what the rule reads of their objects, and
	// states those of nodes with their states; nil when it reads no state.
	objects, states *classes
}

// NewTable returns the table of the rule at slot, which reads object of a node and
// state of its state; nil for nothing. It shares the classes of before, the table
// that the same rule had, as far as the rule reads the same of a node; before may
// be nil.
func NewTable(slot int, object, state *document.Selection, before *Table, in *Cache) *Table {
	if before != nil && object.Equal(before.objects.reads) {
		if state.Equal(before.readsState()) {
			return before
		}
		return &Table{slot: slot, objects: before.objects, states: statesOf(state, in)}
	}
	return &Table{slot: slot, objects: newClasses(object, in), states: statesOf(state, in)}
}

func statesOf(state *document.Selection, in *Cache) *classes {
	if state == nil {
		return nil
	}
	return newClasses(state, in)
}

func (t *Table) readsState() *document.Selection {
	if t.states == nil {
		return nil
	}
	return t.states.reads
}

// ID stands for what is read of a node's object: two tables of a Cache that read
// different things have different ones.
func (t *Table) ID() uint64 { return t.objects.id }

// ReadsObject reports whether the rule may read a node's object.
func (t *Table) ReadsObject() bool { return t.objects.reads != nil }

// ReadsState reports whether the rule may read a node's state.
func (t *Table) ReadsState() bool { return t.states != nil }

// Class is that of node. Where the rule reads nothing of nodes, node may be nil.
func (t *Table) Class(node *Node) *Class {
	if node == nil {
		return t.objects.intern(nil, nil, nil)
	}
	object := t.objects.of(node, t.slot)
	if t.states == nil {
		return object
	}
	return t.states.ofState(node, object, t.slot)
}

// Alike reports whether the objects of both nodes are equal in what the rule reads
// of them.
func (t *Table) Alike(a, b *Node) bool { return t.objects.alike(a, b, t.slot) }

// Classify finds the classes of node in all tables, which are kept with the node:
// Class then only looks them up.
func Classify(node *Node, tables []*Table) {
	var missing []*Table
	for _, t := range tables {
		if known := node.classes.get(t.slot); t.ReadsObject() && (known == nil || known.of != t.objects) {
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		// The text is read once for all rules.
		node.read(func(root document.Value) {
			for _, t := range missing {
				node.classes.set(t.slot, t.objects.ofObject(root))
			}
		})
	}
	for _, t := range tables {
		t.Class(node)
	}
}
