package nodes

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// Class is a class of nodes that are equal in everything that a rule reads of
// them.
type Class struct {
	of *classes
	id uint64 // unique within a Cache
	// held is nil once the cache had no room for it. A node that remembers the class
	// stays in it; what the rule reads is then read from the node again.
	held atomic.Pointer[heldClass]
	// object is, in a class of states, the class of the node's object.
	object *Class
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

// ID is a number that no other class of the same Cache ever has.
func (c *Class) ID() uint64 { return c.id }

// value is what is kept of what the rule reads, nil when nothing is.
func (c *Class) value() ast.Value {
	if held := c.held.Load(); held != nil {
		return held.value
	}
	return nil
}

// classes interns the classes of nodes for one rule: for one selection of
// the fields of a node's object, or of its state.
type classes struct {
	id    uint64              // unique within a Cache
	reads *document.Selection // nil for nothing
	cache *Cache
}

func newClasses(reads *document.Selection, in *Cache) *classes {
	return &classes{id: in.number(), reads: reads, cache: in}
}

// ofObject is the class of an object that is read already.
func (c *classes) ofObject(root document.Value) *Class {
	return c.intern(root.AppendKey(nil, c.reads), nil, func() ast.Value { return root.Project(c.reads) })
}

// intern returns the class with that key. value is called for a new one that keeps
// its value.
func (c *classes) intern(key []byte, object *Class, value func() ast.Value) *Class {
	kept := c.cache.kept
	known, ok := kept.Get(classKey{c.id, cache.View(key)})
	kept.Count(ok)
	if ok {
		return known
	}
	class, held := &Class{of: c, id: c.cache.number(), object: object}, &heldClass{key: string(key)}
	if c.reads != nil && len(key) < largeValue {
		held.value = value()
	}
	class.held.Store(held)
	return kept.Intern(classKey{c.id, held.key}, class)
}

// Cache keeps the classes of nodes of all rules of an engine, within the share of
// cache.NodeClasses. It is safe for concurrent use.
type Cache struct {
	kept *cache.Cache[classKey, *Class]
	// number returns a number that it never returned before.
	number func() uint64
}

// classKey is a class's key among all classes of a Cache.
type classKey struct {
	of  uint64 // classes
	key string
}

// sizeOfClass is about what a class takes beside its key and value, and sizeOfSlot
// what a node takes for each slot, in bytes.
const sizeOfClass, sizeOfSlot = 48 + 32, sizeOfClass + 16

// These are the bounds where no other decisions are kept: classes distinguish the nodes
// of one call all the same.
const leastClassBytes, leastClasses = 4 << 20, 50_000

// NewCache keeps classes of nodes within budget. One that is dropped keeps its
// number, and no other class ever gets that number. number returns a number that it
// never returned before.
func NewCache(budget cache.Budget, number func() uint64) *Cache {
	entries, bytes := budget.Entries, budget.Share(cache.NodeClasses)
	if bytes == 0 {
		entries, bytes = leastClasses, leastClassBytes
	}
	return &Cache{number: number, kept: cache.NewBounded(entries, bytes, func(key classKey, class *Class) int {
		size := sizeOfClass + cache.SizeOf(len(key.key))
		if value := class.value(); value != nil {
			size += document.SizeOf(value)
		}
		return size
	}, func(_ classKey, class *Class) { class.held.Store(nil) })}
}

// Stats are the figures of the cache.
func (c *Cache) Stats() cache.Stats { return c.kept.Stats() }
