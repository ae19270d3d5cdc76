package nodes

import (
	"encoding/binary"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// of returns the class of node's object, which it remembers with the node.
func (c *classes) of(node *Node, slot int) *Class {
	if known := node.classes.get(slot); known != nil && known.of == c {
		return known
	}
	var class *Class
	if c.reads == nil {
		class = c.intern(nil, nil, nil) // no value is kept of nothing
	} else {
		node.read(func(root document.Value) { class = c.ofObject(root) })
	}
	node.classes.set(slot, class)
	return class
}

// ofState returns the class of node's state beside object, the class of its
// object. It remembers it with the node.
func (c *classes) ofState(node *Node, object *Class, slot int) *Class {
	if known := node.stated.get(slot); known != nil && known.of == c && known.object == object {
		return known
	}
	value := node.state.Project(c.reads)
	key := document.NewDecoded(value).AppendKey(binary.BigEndian.AppendUint64(nil, object.id), c.reads)
	class := c.intern(key, object, func() ast.Value { return value })
	node.stated.set(slot, class)
	return class
}

// key is the key of class, the one of node's object. It is read from the node where
// the cache no longer has it.
func (c *classes) key(class *Class, node *Node) (key string) {
	if held := class.held.Load(); held != nil {
		return held.key
	}
	if c.reads != nil {
		node.read(func(root document.Value) { key = string(root.AppendKey(nil, c.reads)) })
	}
	return key
}

// alike reports whether the objects of both nodes are equal in what is read of them.
func (c *classes) alike(a, b *Node, slot int) bool {
	ofA, ofB := c.of(a, slot), c.of(b, slot)
	return ofA == ofB || c.key(ofA, a) == c.key(ofB, b)
}

// Object is what the rule reads of the object of node, which is of the class.
func (c *Class) Object(node *Node) ast.Value {
	if c.object != nil {
		return c.object.Object(node)
	}
	if value := c.value(); value != nil {
		return value
	}
	return node.Project(c.of.reads)
}

// State is what the rule reads of the state of node, which is of the class;
// nil when the node has none.
func (c *Class) State(node *Node) ast.Value {
	if value := c.value(); value != nil {
		return value
	}
	return node.state.Project(c.of.reads)
}
