package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// nodeInformer keeps the cluster's nodes, up to date by a watch. Each is decoded once
// for each change of it, never on a call.
//
// The methods may be called from several goroutines.
type nodeInformer[T any] struct {
	*watcher
	decode func(*corev1.Node, []byte) (T, error)

	// byName holds the nodes that could be decoded: looking up thousands of
	// names in the informer's own store costs several times as much.
	mutex  sync.RWMutex
	byName map[string]T
}

// cachedNode is what the informer stores in place of the v1 Node, so that there
// is one copy of it in memory. It has the names and versions that informers ask
// of an object.
type cachedNode[T any] struct {
	metav1.ObjectMeta
	node  T
	valid bool // false: it could not be decoded
}

// newNodeInformer returns the nodes of the cluster that config leads to, none until Run.
// decode turns a Node and its JSON, with its apiVersion and kind and without
// metadata.managedFields, into the value that is kept; it owns both.
func newNodeInformer[T any](config *rest.Config, decode func(*corev1.Node, []byte) (T, error), options Options) (*nodeInformer[T], error) {
	w, err := newWatcher(config, "nodes", options)
	if err != nil {
		return nil, err
	}
	n := &nodeInformer[T]{watcher: w, decode: decode, byName: map[string]T{}}
	source := cache.NewListWatchFromClient(w.client, "nodes", metav1.NamespaceAll, fields.Everything())
	if err := w.inform(source, &corev1.Node{}, n.transform, n.put, n.remove); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *nodeInformer[T]) put(object any) {
	cached, ok := object.(*cachedNode[T])
	if !ok {
		return
	}
	n.mutex.Lock()
	if cached.valid {
		n.byName[cached.Name] = cached.node
	} else {
		delete(n.byName, cached.Name)
	}
	n.mutex.Unlock()
	n.onChange(cached.Name)
}

func (n *nodeInformer[T]) remove(object any) {
	cached, ok := object.(*cachedNode[T])
	if !ok {
		return
	}
	n.mutex.Lock()
	delete(n.byName, cached.Name)
	n.mutex.Unlock()
	n.onChange(cached.Name)
}

// Run keeps the nodes up to date until ctx is done. An API server that cannot be
// reached is tried again, at growing intervals of up to about 30 s. It can be
// called once. client-go's own messages go to the logger in ctx
// (klog.NewContext), else to klog.
func (n *nodeInformer[T]) Run(ctx context.Context) { n.run(ctx) }

// Find sets nodes[i] to the node called names[i], for each that is known, and
// leaves the others as they are.
func (n *nodeInformer[T]) Find(names [][]byte, nodes []T) {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	for i, name := range names {
		if node, ok := n.byName[string(name)]; ok {
			nodes[i] = node
		}
	}
}

// get returns the node of that name.
func (n *nodeInformer[T]) get(name string) (node T, ok bool) {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	node, ok = n.byName[name]
	return node, ok
}

// All returns every node by its name. The caller owns the map.
func (n *nodeInformer[T]) All() map[string]T {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	return maps.Clone(n.byName)
}

// Status is a line for people: the number of known nodes, the time of the API server's
// last message, and the last error since then.
func (n *nodeInformer[T]) Status() string {
	if err := n.Ready(); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d nodes, %s", n.count(), n.contactStatus())
}

func (n *nodeInformer[T]) count() int {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	return len(n.byName)
}

// transform implements cache.TransformFunc. Informers pass objects of a first
// list through it twice.
func (n *nodeInformer[T]) transform(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	// After a broken watch everything is listed again, most of it unchanged.
	if object, found, err := n.informer.GetIndexer().GetByKey(node.Name); err == nil && found {
		cached, ok := object.(*cachedNode[T])
		if ok && cached.valid && cached.UID == node.UID && cached.ResourceVersion == node.ResourceVersion {
			return cached, nil
		}
	}

	cached := &cachedNode[T]{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion},
	}
	value, err := n.value(node)
	if err != nil {
		// An error from here would stop the list of all other nodes as well.
		n.onError(fmt.Errorf("node %s: %w", node.Name, err))
		return cached, nil
	}
	cached.node, cached.valid = value, true
	return cached, nil
}

// value decodes node, which is ours to change.
func (n *nodeInformer[T]) value(node *corev1.Node) (value T, err error) {
	node.ManagedFields = nil
	// Members of a list and objects read from protobuf come without.
	node.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	text, err := json.Marshal(node)
	if err != nil {
		return value, err
	}
	return n.decode(node, text)
}
