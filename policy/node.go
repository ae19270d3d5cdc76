package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// Node is a v1 Node that pods are decided against, what is known of it beyond
// that, and what rules can tell of both. It never changes: a changed node is
// another Node. It is safe for concurrent use.
type Node struct {
	*nodeObject
	state *NodeState // nil for none
	// stated remembers the class of the node for each rule that reads states.
	stated classMemo
}

// nodeObject is the v1 Node, which Nodes with different states share.
type nodeObject struct {
	name, uid string
	// text is the JSON of the node: it takes a fraction of what its values
	// would, and is read only when a rule sees the node for the first time.
	text []byte
	// allocatable is where status.allocatable is in text; empty for none.
	allocatable struct{ start, end int }
	decoded     atomic.Pointer[document.Decoded]
	// classes remembers the class of the object for each rule.
	classes classMemo
}

// classMemo remembers a class for each scheduling rule, by index. A class that
// got lost is found again.
type classMemo struct {
	// first are those of the default profile, which are looked up for thousands
	// of nodes in a call.
	first [schedulingRules]atomic.Pointer[nodeClass]
	more  atomic.Pointer[[]atomic.Pointer[nodeClass]]
}

func (m *classMemo) get(rule int) *nodeClass {
	if rule < ruleCount {
		return m.first[rule-firstSchedulingRule].Load()
	}
	more := m.more.Load()
	if more == nil || rule-ruleCount >= len(*more) {
		return nil
	}
	return (*more)[rule-ruleCount].Load()
}

func (m *classMemo) set(rule int, class *nodeClass) {
	if rule < ruleCount {
		m.first[rule-firstSchedulingRule].Store(class)
		return
	}
	at := rule - ruleCount
	more := m.more.Load()
	if more == nil || at >= len(*more) {
		larger := make([]atomic.Pointer[nodeClass], (at/schedulingRules+1)*schedulingRules)
		if more != nil {
			for i := range *more {
				larger[i].Store((*more)[i].Load())
			}
		}
		if !m.more.CompareAndSwap(more, &larger) {
			m.set(rule, class)
			return
		}
		more = &larger
	}
	(*more)[at].Store(class)
}

// NewNode reads a v1 Node from its JSON, which must not be changed afterwards.
// Its apiVersion and kind are left out: the nodes in a scheduler's call have
// none, and both forms of a call have to be decided alike.
func NewNode(text []byte) (*Node, error) {
	parsed, err := document.ParseObject(text)
	if err != nil {
		return nil, err
	}
	defer parsed.Release()
	metadata, err := parsed.Root().Object("metadata")
	if err != nil {
		return nil, err
	}
	name, err := metadata.String("name")
	if err != nil {
		return nil, fmt.Errorf("metadata.%w", err)
	}
	if name == "" {
		return nil, errNodeName
	}
	uid, err := metadata.String("uid")
	if err != nil {
		return nil, fmt.Errorf("metadata.%w", err)
	}
	made := &nodeObject{name: name, uid: uid, text: text}
	if allocatable := parsed.Root().Get("status").Get("allocatable"); allocatable.IsObject() {
		made.allocatable.start, made.allocatable.end = allocatable.Position()
	}
	return &Node{nodeObject: made}, nil
}

// WithState is the same node with another state; nil for none. What rules that
// read no state can tell of the node stays known.
func (n *Node) WithState(state *NodeState) *Node {
	return &Node{nodeObject: n.nodeObject, state: state}
}

// State is what the node was given by WithState, nil for none.
func (n *Node) State() *NodeState { return n.state }

// read hands the node as policies see it to visit.
func (n *nodeObject) read(visit func(document.Value)) {
	parsed, err := document.ParseObject(n.text)
	if err != nil {
		return // NewNode parsed the very same text
	}
	defer parsed.Release()
	root := parsed.Root()
	root.Hide("apiVersion")
	root.Hide("kind")
	visit(root)
}

// project returns what s selects of the node.
func (n *nodeObject) project(s *document.Selection) (value ast.Value) {
	n.read(func(root document.Value) { value = root.Project(s) })
	return value
}

var errNodeName = errors.New("metadata.name: every node needs a name of its own")

// Name is metadata.name, never empty.
func (n *nodeObject) Name() string { return n.name }

// UID is metadata.uid, "" where the node has none.
func (n *nodeObject) UID() string { return n.uid }

// Decoded is the whole node as policies see it. It is made once.
func (n *nodeObject) Decoded() document.Decoded {
	if made := n.decoded.Load(); made != nil {
		return *made
	}
	made := document.NewDecoded(n.project(document.All()))
	n.decoded.Store(&made)
	return made
}

// Size is about how many bytes the node takes, with what it remembers of its classes
// for this many scheduling profiles beside the default one. Its state is not counted.
func (n *Node) Size(profiles int) int {
	const node = 400
	return node + cache.SizeOf(cap(n.text)) + cache.SizeOf(len(n.name)) + cache.SizeOf(len(n.uid)) +
		(profiles+1)*schedulingRules*(sizeOfClass+sizeOfString)
}

// Text is the JSON that the node was read from. It must not be changed.
func (n *nodeObject) Text() []byte { return n.text }

// nodeClass is a class of nodes that are alike in everything that a rule reads
// of them.
type nodeClass struct {
	of *nodeClasses
	id uint64 // unique within an engine
	// held is nil once there was no room for it. A node that remembers the class is
	// of the class all the same; what is read of it is then taken out of the node.
	held atomic.Pointer[heldClass]
	// object is, in a class of states, the class of the node's object.
	object *nodeClass
}

// heldClass is what a class keeps, within the share of cache.NodeClasses.
type heldClass struct {
	key string
	// value is what the rule reads of such a node, nil when that is nothing or
	// large: values take ten times the room of their text. In a class of states
	// it is what is read of the state.
	value ast.Value
}

// largeValue is the length of keys, in bytes, from which on classes keep no value.
const largeValue = 1024

// value is what is kept of what the rule reads, nil when nothing is.
func (c *nodeClass) value() ast.Value {
	if held := c.held.Load(); held != nil {
		return held.value
	}
	return nil
}

// valueOf is what the rule reads of the object of node, which is of the class.
func (c *nodeClass) valueOf(node *Node) ast.Value {
	if c.object != nil {
		return c.object.valueOf(node)
	}
	if value := c.value(); value != nil {
		return value
	}
	return node.project(c.of.reads)
}

// stateOf is what the rule reads of the state of node, which is of the class;
// nil when the node has none.
func (c *nodeClass) stateOf(node *Node) ast.Value {
	if value := c.value(); value != nil {
		return value
	}
	return node.state.project(c.of.reads)
}

// classKey is a class's key among all classes of an engine.
type classKey struct {
	of  uint64 // nodeClasses
	key string
}

// sizeOfClass is about what a class takes beside its key and value, in bytes.
const sizeOfClass = 48 + 32

// leastClassBytes bounds the classes of nodes where nothing else is kept: the nodes
// of one call are told apart by them.
const leastClassBytes, leastClasses = 4 << 20, 50_000

// newClassCache keeps classes of nodes. One that is dropped keeps its number, and
// no other class ever gets that.
func newClassCache(budget cache.Budget) *cache.Cache[classKey, *nodeClass] {
	entries, bytes := budget.Entries, budget.Share(cache.NodeClasses)
	if bytes == 0 {
		entries, bytes = leastClasses, leastClassBytes
	}
	return cache.NewBounded(entries, bytes, func(key classKey, class *nodeClass) int {
		size := sizeOfClass + cache.SizeOf(len(key.key))
		if value := class.value(); value != nil {
			size += document.SizeOf(value)
		}
		return size
	}, func(_ classKey, class *nodeClass) { class.held.Store(nil) })
}

// nodeClasses interns the classes of nodes for one rule: for one selection of
// the fields of a node's object, or of its state.
type nodeClasses struct {
	id     uint64              // unique within an engine
	reads  *document.Selection // nil for nothing
	number func() uint64
	kept   *cache.Cache[classKey, *nodeClass]
}

func newNodeClasses(reads *document.Selection, kept *cache.Cache[classKey, *nodeClass], number func() uint64) *nodeClasses {
	return &nodeClasses{id: number(), reads: reads, number: number, kept: kept}
}

// of returns the class of node's object, which it remembers with the node.
func (c *nodeClasses) of(node *Node, rule int) *nodeClass {
	if known := node.classes.get(rule); known != nil && known.of == c {
		return known
	}
	var class *nodeClass
	if c.reads == nil {
		class = c.intern(nil, nil, nil) // no value is kept of nothing
	} else {
		node.read(func(root document.Value) { class = c.ofObject(root) })
	}
	node.classes.set(rule, class)
	return class
}

// ofObject is the class of an object that is read already.
func (c *nodeClasses) ofObject(root document.Value) *nodeClass {
	return c.intern(root.AppendKey(nil, c.reads), nil, func() ast.Value { return root.Project(c.reads) })
}

// ofState returns the class of node's state beside object, the class of its
// object. It remembers it with the node.
func (c *nodeClasses) ofState(node *Node, object *nodeClass, rule int) *nodeClass {
	if known := node.stated.get(rule); known != nil && known.of == c && known.object == object {
		return known
	}
	value := node.state.project(c.reads)
	key := document.NewDecoded(value).AppendKey(binary.BigEndian.AppendUint64(nil, object.id), c.reads)
	class := c.intern(key, object, func() ast.Value { return value })
	node.stated.set(rule, class)
	return class
}

// intern returns the class with that key. value is called for a new one that keeps
// its value.
func (c *nodeClasses) intern(key []byte, object *nodeClass, value func() ast.Value) *nodeClass {
	known, ok := c.kept.Get(classKey{c.id, cache.View(key)})
	c.kept.Count(ok)
	if ok {
		return known
	}
	class, held := &nodeClass{of: c, id: c.number(), object: object}, &heldClass{key: string(key)}
	if c.reads != nil && len(key) < largeValue {
		held.value = value()
	}
	class.held.Store(held)
	return c.kept.Intern(classKey{c.id, held.key}, class)
}

// key is that of the class of node's object, known without having been evicted or
// read out of the node.
func (c *nodeClasses) key(class *nodeClass, node *Node) (key string) {
	if held := class.held.Load(); held != nil {
		return held.key
	}
	if c.reads != nil {
		node.read(func(root document.Value) { key = string(root.AppendKey(nil, c.reads)) })
	}
	return key
}

// alike reports whether the objects of both nodes are alike in what is read of them.
func (c *nodeClasses) alike(a, b *Node, rule int) bool {
	ofA, ofB := c.of(a, rule), c.of(b, rule)
	return ofA == ofB || c.key(ofA, a) == c.key(ofB, b)
}

// class is that of node for the rule. Where the rule reads nothing of nodes,
// node may be nil.
func (r *rule) class(node *Node) *nodeClass {
	if node == nil {
		return r.nodes.intern(nil, nil, nil)
	}
	object := r.nodes.of(node, r.index)
	if r.states == nil {
		return object
	}
	return r.states.ofState(node, object, r.index)
}

// Classify finds out what the rules of the current revision read of node, which
// is kept with the node: calls that name it then only look that up.
func (e *Engine) Classify(node *Node) {
	view := e.View()
	if view == nil {
		return
	}
	var missing []*rule
	for _, r := range view.rules[firstSchedulingRule:] {
		if r.evaluator == nil || !r.cached {
			continue
		}
		if known := node.classes.get(r.index); r.nodes.reads != nil && (known == nil || known.of != r.nodes) {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		// The text is read once for all rules.
		node.read(func(root document.Value) {
			for _, r := range missing {
				node.classes.set(r.index, r.nodes.ofObject(root))
			}
		})
	}
	for _, r := range view.rules[firstSchedulingRule:] {
		if r.evaluator != nil && r.cached {
			r.class(node)
		}
	}
}
