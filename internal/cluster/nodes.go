package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Options are what Nodes can do without. The zero value is valid.
type Options struct {
	// OnChange is told which node was added, changed or taken away, afterwards
	// and in that order. It must return quickly.
	OnChange func(name string)
	// OnError is told when the nodes cannot be listed or watched, at each
	// attempt, and when a node cannot be decoded. It must return quickly and
	// may be called from several goroutines.
	OnError func(error)
	// Now is the clock that contact is measured by. Default time.Now.
	Now func() time.Time
}

// Nodes keeps the cluster's nodes, up to date by a watch. Each is decoded once
// for each change of it, never on a call.
//
// The methods may be called from several goroutines.
type Nodes[T any] struct {
	host     string
	decode   func(*corev1.Node, []byte) (T, error)
	onError  func(error)
	onChange func(name string)
	now      func() time.Time
	contact  *contact
	informer cache.SharedIndexInformer
	received cache.ResourceEventHandlerRegistration

	// byName holds the nodes that could be decoded: looking up thousands of
	// names in the informer's own store costs several times as much.
	mutex  sync.RWMutex
	byName map[string]T
}

// endGrace is how long Run waits for client-go to end.
const endGrace = time.Second

// cachedNode is what the informer stores in place of the v1 Node, so that there
// is one copy of it in memory. It has the names and versions that informers ask
// of an object.
type cachedNode[T any] struct {
	metav1.ObjectMeta
	node  T
	valid bool // false: it could not be decoded
}

// NewNodes returns the nodes of the cluster that config leads to, none until Run.
// decode turns a Node and its JSON, with its apiVersion and kind and without
// metadata.managedFields, into what is kept of it; it owns both.
func NewNodes[T any](config *rest.Config, decode func(*corev1.Node, []byte) (T, error), options Options) (*Nodes[T], error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.OnError == nil {
		options.OnError = func(error) {}
	}
	if options.OnChange == nil {
		options.OnChange = func(string) {}
	}
	n := &Nodes[T]{
		host:     shownHost(config.Host),
		decode:   decode,
		onError:  options.OnError,
		onChange: options.OnChange,
		now:      options.Now,
		contact:  &contact{now: options.Now},
		byName:   map[string]T{},
	}

	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return n.contact.wrap(next, n.failed) })
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("a client for the API server at %s: %w", n.host, err)
	}
	n.informer = cache.NewSharedIndexInformerWithOptions(
		cache.NewListWatchFromClient(client.RESTClient(), "nodes", metav1.NamespaceAll, fields.Everything()),
		&corev1.Node{},
		cache.SharedIndexInformerOptions{ObjectDescription: "nodes"},
	)
	// Both fail only on an informer that runs already.
	if err := errors.Join(n.informer.SetTransform(n.transform), n.informer.SetWatchErrorHandlerWithContext(n.watchError)); err != nil {
		return nil, fmt.Errorf("node informer: %w", err)
	}
	if n.received, err = n.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    n.put,
		UpdateFunc: func(_, changed any) { n.put(changed) },
		DeleteFunc: n.remove,
	}); err != nil {
		return nil, fmt.Errorf("node informer: %w", err)
	}
	return n, nil
}

func (n *Nodes[T]) put(object any) {
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

func (n *Nodes[T]) remove(object any) {
	if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	cached, ok := object.(*cachedNode[T])
	if !ok {
		return
	}
	n.mutex.Lock()
	delete(n.byName, cached.Name)
	n.mutex.Unlock()
	n.onChange(cached.Name)
}

// shownHost is the API server's address without a password it may hold.
func shownHost(host string) string {
	if address, err := url.Parse(host); err == nil {
		return address.Redacted()
	}
	return "its configured address"
}

// Run keeps the nodes up to date until ctx is done. An API server that cannot be
// reached is tried again, at growing intervals of up to about 30 s. It can be
// called once. client-go's own messages go to the logger in ctx
// (klog.NewContext), else to klog.
//
// While the API server refuses connections client-go may sit out such an
// interval before it ends. Run returns without it then; it does nothing more.
func (n *Nodes[T]) Run(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.informer.RunWithContext(ctx)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(endGrace):
	}
}

// Find sets nodes[i] to the node called names[i], for each that is known, and
// leaves the others as they are.
func (n *Nodes[T]) Find(names [][]byte, nodes []T) {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	for i, name := range names {
		if node, ok := n.byName[string(name)]; ok {
			nodes[i] = node
		}
	}
}

// get returns the node of that name.
func (n *Nodes[T]) get(name string) (node T, ok bool) {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	node, ok = n.byName[name]
	return node, ok
}

// All returns every node by its name. The caller owns the map.
func (n *Nodes[T]) All() map[string]T {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	return maps.Clone(n.byName)
}

// Ready returns nil once the nodes were received whole, else what is missing.
// It stays nil when contact is lost later; Status tells that.
func (n *Nodes[T]) Ready() error {
	if n.received.HasSynced() {
		return nil
	}
	if _, err := n.contact.state(); err != nil {
		return fmt.Errorf("the nodes are not yet known: %w", err)
	}
	return fmt.Errorf("the nodes are not yet known: waiting for the API server at %s", n.host)
}

// Status says in a line, for people, how many nodes are known, when the API
// server last spoke to us, and what went wrong since.
func (n *Nodes[T]) Status() string {
	if err := n.Ready(); err != nil {
		return err.Error()
	}
	heardAt, err := n.contact.state()
	status := fmt.Sprintf("%d nodes, last contact with the API server at %s %s ago",
		n.count(), n.host, n.now().Sub(heardAt).Round(time.Second))
	if err != nil {
		status += ", then: " + err.Error()
	}
	return status
}

func (n *Nodes[T]) count() int {
	n.mutex.RLock()
	defer n.mutex.RUnlock()
	return len(n.byName)
}

// LastContact returns when the API server last sent us something, the zero time
// for never. A quiet watch gets a bookmark about every minute.
func (n *Nodes[T]) LastContact() time.Time {
	heardAt, _ := n.contact.state()
	return heardAt
}

// transform implements cache.TransformFunc. Informers pass objects of a first
// list through it twice.
func (n *Nodes[T]) transform(object any) (any, error) {
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
		// An error from here would keep every other node out as well.
		n.onError(fmt.Errorf("node %s: %w", node.Name, err))
		return cached, nil
	}
	cached.node, cached.valid = value, true
	return cached, nil
}

// value decodes node, which is ours to change.
func (n *Nodes[T]) value(node *corev1.Node) (value T, err error) {
	node.ManagedFields = nil
	// Members of a list and objects read from protobuf come without.
	node.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	text, err := json.Marshal(node)
	if err != nil {
		return value, err
	}
	return n.decode(node, text)
}

// watchError implements cache.WatchErrorHandlerWithContext.
func (n *Nodes[T]) watchError(ctx context.Context, _ *cache.Reflector, err error) {
	// What Run's end cancels is no fault.
	if ctx.Err() != nil {
		return
	}
	// Watches end in the ordinary course of things, and old versions expire.
	if errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || isRefusal(err) {
		return
	}
	n.failed(err)
}

func (n *Nodes[T]) failed(err error) {
	err = fmt.Errorf("watching nodes at %s: %w", n.host, err)
	n.contact.failed(err)
	n.onError(err)
}
