package handlers

import (
	"bytes"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// knownNodes keeps nodes that came whole, by their exact bytes.
type knownNodes struct {
	kept *cache.Cache[string, *nodes.Node]
}

// nodePrefix is how many bytes a node is looked up by before it is compared
// whole. Objects begin with their name, UID and resourceVersion.
const nodePrefix = 192

func newKnownNodes(budget cache.Budget, profiles int, m *Metrics) *knownNodes {
	kept := cache.New(budget, cache.Nodes, func(prefix string, n *nodes.Node) int {
		return cache.SizeOf(len(prefix)) + n.Size(profiles)
	})
	if kept != nil {
		m.WatchCache(cache.Nodes, kept.Stats)
	}
	return &knownNodes{kept: kept}
}

// find returns the node whose text is at the beginning of rest; false when it is
// not known. A whole JSON object is not the beginning of another one, so what
// is found is all of the value there.
func (k *knownNodes) find(rest []byte) (*nodes.Node, bool) {
	if k.kept == nil {
		return nil, false
	}
	found, ok := k.kept.Get(cache.View(rest[:min(len(rest), nodePrefix)]))
	ok = ok && bytes.HasPrefix(rest, found.Text())
	k.kept.Count(ok)
	return found, ok
}

// add reads a node that is not known, from text that may change afterwards.
func (k *knownNodes) add(text []byte) (*nodes.Node, error) {
	text = bytes.Clone(text)
	node, err := nodes.New(text)
	if err == nil && len(text) >= nodePrefix {
		k.kept.Set(string(text[:nodePrefix]), node)
	}
	return node, err
}
