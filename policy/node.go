package policy

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Node is a v1 Node that pods are decided against, and what rules can tell of
// it. It never changes: a changed node is another Node. It is safe for
// concurrent use.
type Node struct {
	name string
	// text is the JSON of the node: it takes a fraction of what its values
	// would, and is read only when a rule sees the node for the first time.
	text   []byte
	state  *NodeState
	object atomic.Pointer[Object]
	// classes remembers the class of the node for each rule.
	classes [ruleCount]atomic.Pointer[nodeClass]
}

// NewNode reads a v1 Node from its JSON, which must not be changed afterwards.
// Its apiVersion and kind are left out: the nodes in a scheduler's call have
// none, and both forms of a call have to be decided alike.
func NewNode(text []byte) (*Node, error) {
	parsed, err := ParseObject(text)
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
	return &Node{name: name, text: text}, nil
}

// read hands the node as policies see it to visit.
func (n *Node) read(visit func(Value)) {
	parsed, err := ParseObject(n.text)
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
func (n *Node) project(s *selection) (value ast.Value) {
	n.read(func(root Value) { value = root.project(s) })
	return value
}

var errNodeName = errors.New("metadata.name: every node needs a name of its own")

// Name is metadata.name, never empty.
func (n *Node) Name() string { return n.name }

// Object is the whole node as policies see it. It is made once.
func (n *Node) Object() Object {
	if made := n.object.Load(); made != nil {
		return *made
	}
	made := Object{value: n.project(allOf).(ast.Object)}
	n.object.Store(&made)
	return made
}

// Text is the JSON that the node was read from. It must not be changed.
func (n *Node) Text() []byte { return n.text }

// nodeClass is a class of nodes that are alike in everything that a rule reads
// of them.
type nodeClass struct {
	of *nodeClasses
	id uint64 // unique within an engine
	// value is what the rule reads of such a node, nil when that is nothing or
	// large: values take ten times the room of their text.
	value ast.Value
}

// largeValue is the length of keys, in bytes, from which on classes keep no value.
const largeValue = 1024

// valueOf is what the rule reads of node, which is of the class.
func (c *nodeClass) valueOf(node *Node) ast.Value {
	if c.value != nil {
		return c.value
	}
	return node.project(c.of.reads)
}

// classOverhead is about what a class costs beyond its key, in bytes.
const classOverhead = 160

// nodeClasses interns the classes of nodes for one rule: for one selection of a
// node's fields.
type nodeClasses struct {
	id     uint64     // unique within an engine
	reads  *selection // of a node; nil for nothing
	most   int        // bytes of keys and classOverhead
	number func() uint64

	mutex sync.RWMutex
	byKey map[string]*nodeClass
	bytes int
}

func newNodeClasses(reads *selection, most int64, number func() uint64) *nodeClasses {
	return &nodeClasses{id: number(), reads: reads, most: int(most), number: number, byKey: map[string]*nodeClass{}}
}

// of returns the class of node, which it remembers with the node.
func (c *nodeClasses) of(node *Node, rule int) *nodeClass {
	if known := node.classes[rule].Load(); known != nil && known.of == c {
		return known
	}
	var key []byte
	if c.reads != nil {
		node.read(func(root Value) { key = root.appendKey(nil, c.reads) })
	}
	class := c.intern(string(key), node)
	node.classes[rule].Store(class)
	return class
}

func (c *nodeClasses) intern(key string, node *Node) *nodeClass {
	c.mutex.RLock()
	class, ok := c.byKey[key]
	c.mutex.RUnlock()
	if ok {
		return class
	}
	class = &nodeClass{of: c, id: c.number()}
	if c.reads != nil && len(key) < largeValue {
		class.value = node.project(c.reads)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if other, ok := c.byKey[key]; ok {
		return other
	}
	size := len(key) + classOverhead
	if c.bytes += size; c.bytes > c.most {
		// Classes that nodes remember stay what they are; those that are made
		// from now on are shared with fewer of them for a while.
		clear(c.byKey)
		c.bytes = size
	}
	c.byKey[key] = class
	return class
}
