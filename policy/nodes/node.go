package nodes

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// Node is a v1 Node that pods may be placed on, with its state, and with the classes
// that it has for rules. It never changes: a changed node is
// another Node. It is safe for concurrent use.
type Node struct {
	*nodeObject
	state *State // nil for none
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

// New reads a v1 Node from its JSON, which must not be changed afterwards.
// Its apiVersion and kind are left out: the nodes in a scheduler's call have
// none, and both forms of a call must have the same answer.
func New(text []byte) (*Node, error) {
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

// WithState is the same node with another state; nil for none. Its classes for rules that
// read no state stay remembered.
func (n *Node) WithState(state *State) *Node {
	return &Node{nodeObject: n.nodeObject, state: state}
}

// State is what the node was given by WithState, nil for none.
func (n *Node) State() *State { return n.state }

// read calls visit with the node as policies see it.
func (n *nodeObject) read(visit func(document.Value)) {
	parsed, err := document.ParseObject(n.text)
	if err != nil {
		return // New parsed the very same text
	}
	defer parsed.Release()
	root := parsed.Root()
	root.Hide("apiVersion")
	root.Hide("kind")
	visit(root)
}

// Project returns what s selects of the node.
func (n *nodeObject) Project(s *document.Selection) (value ast.Value) {
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
	made := document.NewDecoded(n.Project(document.All()))
	n.decoded.Store(&made)
	return made
}

// Size is about how many bytes the node takes, with what it remembers of its classes
// for this many scheduling profiles beside the default one. Its state is not counted.
func (n *Node) Size(profiles int) int {
	const node = 400
	return node + cache.SizeOf(cap(n.text)) + cache.SizeOf(len(n.name)) + cache.SizeOf(len(n.uid)) +
		(profiles+1)*slotsPerProfile*sizeOfSlot
}

// Text is the JSON that the node was read from. It must not be changed.
func (n *nodeObject) Text() []byte { return n.text }
