package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// StateOptions configure State. Only Reads is required.
type StateOptions struct {
	// Reads returns the fields of states that policies read now. It is called on every
	// call. State.Reload must be called after its result changed.
	Reads func() nodes.Reads
	// Classify is given each new Node before it can be found. It must return
	// quickly.
	Classify func(*nodes.Node)
	// OnNodes is called after a Node object was added, changed or removed. It must
	// return quickly.
	OnNodes func()
	// OnError is called with each error, at each attempt. It must return quickly and
	// may be called from several goroutines.
	OnError func(error)
	// OnHolder is called with the replica that holds the Lease, each time it changes.
	OnHolder func(identity string)

	// PodAnnotations are the annotations of pods that policies may see: names, and
	// prefixes that end in "/".
	PodAnnotations []string
	// Bind makes State ready for binding pods.
	Bind bool
	// Lease elects the replica that binds; without a namespace each one does.
	Lease LeaseOptions
	// MaxStaleness is the longest time without a message of the API server; 0 for no
	// limit.
	MaxStaleness time.Duration
	// Registerer takes the metrics. May be nil.
	Registerer prometheus.Registerer
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// State holds the cluster as kube-scheduler knows it: the nodes, and where a policy
// reads them, the pods on each node and their requests. It implements
// scheduling.Cluster.
//
// A node is built again when it or a pod on it changes, never on a call. The methods
// may be called from several goroutines.
type State struct {
	options     StateOptions
	annotations annotationList
	nodes       *nodeInformer[bareNode]
	clients     clients
	podContact  *contact // of lists and watches of pods
	locks       nodeLocks
	lease       *lease        // nil without an election
	sending     atomic.Int64  // Bindings in flight
	wake        chan struct{} // makes follow check the feed

	// mutex serialises changes, and guards the fields below.
	mutex  sync.RWMutex
	ledger *ledger
	// newest is the last feed that was started; nil when pods are not watched.
	newest *podFeed
	// current is the feed of the pods in the ledger, nil for none.
	current atomic.Pointer[podFeed]
	synced  atomic.Bool // everything was received once

	// found holds the nodes that Find returns, by name.
	foundMutex sync.RWMutex
	found      map[string]foundNode
}

// bareNode is a Node as the API server has it.
type bareNode struct {
	node        *nodes.Node
	allocatable map[string]int64
}

type foundNode struct {
	node *nodes.Node
	of   *nodes.Node // the node that it was built from
}

// clients are the clients of the API server. There are two for pods: watch has a rate
// limit; bind has none, since the scheduler sets the pace.
type clients struct {
	watch  corev1client.PodsGetter
	bind   corev1client.PodsGetter
	leases coordinationv1client.LeasesGetter
}

// NewState returns the state of the cluster that config leads to, empty until
// Run.
func NewState(config *rest.Config, options StateOptions) (*State, error) {
	s := newState(options)
	nodes, err := newNodeInformer(config, decodeNode, Options{OnChange: s.nodeChanged, OnError: s.options.OnError, Now: s.options.Now})
	if err != nil {
		return nil, err
	}
	s.nodes = nodes
	if s.clients, err = newClients(config, s.podContact, s.podsFailed); err != nil {
		return nil, fmt.Errorf("a client for the API server at %s: %w", nodes.host, err)
	}
	return s, s.prepare()
}

func newState(options StateOptions) *State {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.OnError == nil {
		options.OnError = func(error) {}
	}
	if options.OnNodes == nil {
		options.OnNodes = func() {}
	}
	if options.Classify == nil {
		options.Classify = func(*nodes.Node) {}
	}
	if options.OnHolder == nil {
		options.OnHolder = func(string) {}
	}
	ledger := newLedger()
	ledger.asks = options.Bind
	return &State{
		options:     options,
		annotations: newAnnotationList(options.PodAnnotations),
		podContact:  &contact{now: options.Now},
		wake:        make(chan struct{}, 1),
		ledger:      ledger,
		found:       map[string]foundNode{},
	}
}

func newClients(config *rest.Config, heard *contact, refused func(error)) (clients, error) {
	watching, binding := rest.CopyConfig(config), rest.CopyConfig(config)
	watching.Wrap(func(next http.RoundTripper) http.RoundTripper { return heard.wrap(next, refused) })
	// The API server's priority and fairness limits binds.
	binding.QPS, binding.RateLimiter = -1, nil
	var c clients
	watch, err1 := corev1client.NewForConfig(watching)
	bind, err2 := corev1client.NewForConfig(binding)
	leases, err3 := coordinationv1client.NewForConfig(config)
	c.watch, c.bind, c.leases = watch, bind, leases
	return c, errors.Join(err1, err2, err3)
}

// prepare makes the parts that need the clients.
func (s *State) prepare() error {
	if s.options.Bind && s.options.Lease.Namespace != "" {
		if s.options.Lease.Identity == "" {
			host, err := os.Hostname()
			if err != nil {
				return fmt.Errorf("reading which replica holds the Lease: %w", err)
			}
			s.options.Lease.Identity = newIdentity(host)
		}
		var err error
		if s.lease, err = newLease(s.clients.leases, s.options.Lease, s.options.Now, s.options.OnHolder, s.Reload); err != nil {
			return err
		}
	}
	return s.register()
}

func decodeNode(node *corev1.Node, text []byte) (bareNode, error) {
	made, err := nodes.New(text)
	return bareNode{node: made, allocatable: Allocatable(node)}, err
}

// Run keeps the state up to date until ctx is done, as nodeInformer.Run does. It can be
// called once.
func (s *State) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.nodes.Run(ctx) })
	running.Go(func() { s.follow(ctx) })
	running.Go(func() { s.expire(ctx) })
	if s.lease != nil {
		running.Go(func() { s.lease.run(ctx) })
	}
	running.Wait()
}

// Reload must be called when policies read other fields than before.
func (s *State) Reload() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Find implements scheduling.Nodes.
func (s *State) Find(names [][]byte, list []*nodes.Node) {
	s.foundMutex.RLock()
	defer s.foundMutex.RUnlock()
	for i, name := range names {
		if found, ok := s.found[string(name)]; ok {
			list[i] = found.node
		}
	}
}

// Objects returns every node by its name, without a state. The caller owns the
// map.
func (s *State) Objects() map[string]*nodes.Node {
	all := s.nodes.All()
	out := make(map[string]*nodes.Node, len(all))
	for name, bare := range all {
		out[name] = bare.node
	}
	return out
}

// Ready implements scheduling.Nodes: it returns nil while all objects that policies
// read are known. After a policy was loaded that reads more fields of pods than the
// one before, it returns an error until the pods were listed again.
func (s *State) Ready() error {
	if err := s.nodes.Ready(); err != nil {
		return err
	}
	return s.podsReady()
}

// NodesReady returns nil once all nodes were received.
func (s *State) NodesReady() error { return s.nodes.Ready() }

// NodesStatus is a line for people with the state of the nodes.
func (s *State) NodesStatus() string { return s.nodes.Status() + s.staleness(s.nodes.contact) }

// PodsReady returns nil once all pods were received for the first time, or while no
// policy needs them. Unlike Ready it stays nil when a policy reads more fields.
func (s *State) PodsReady() error {
	if s.synced.Load() {
		return nil
	}
	return s.podsReady()
}

func (s *State) podsReady() error {
	need := s.options.Reads()
	if !need.State && !s.options.Bind {
		return nil
	}
	if feed := s.current.Load(); feed != nil && covers(feed.reads, need) {
		return nil
	}
	if _, err := s.podContact.state(); err != nil {
		return fmt.Errorf("the pods on the nodes are not yet known: %w", err)
	}
	return fmt.Errorf("the pods on the nodes are not yet known: waiting for the API server at %s", s.nodes.host)
}

// PodsStatus is a line for people with the state of the pods; "" while no policy
// needs them.
func (s *State) PodsStatus() string {
	if s.current.Load() == nil {
		return ""
	}
	heardAt, err := s.podContact.state()
	s.mutex.RLock()
	pods, assumed := len(s.ledger.pods), len(s.ledger.assumed)
	s.mutex.RUnlock()
	status := fmt.Sprintf("%d pods and %d assumed, last contact with the API server at %s %s ago",
		pods, assumed, s.nodes.host, s.options.Now().Sub(heardAt).Round(time.Second))
	if notReady := s.podsReady(); notReady != nil {
		status += ", listing them again: the new policy reads more fields of them"
	}
	if err != nil {
		status += ", then: " + err.Error()
	}
	return status + s.staleness(s.podContact)
}

// Stale implements scheduling.Cluster.
func (s *State) Stale() error {
	if err := s.stale("nodes", s.nodes.contact); err != nil {
		return err
	}
	if s.current.Load() == nil {
		return nil
	}
	return s.stale("pods", s.podContact)
}

func (s *State) stale(resource string, of *contact) error {
	heardAt, err := of.state()
	if s.options.MaxStaleness == 0 || heardAt.IsZero() {
		return nil
	}
	age := s.options.Now().Sub(heardAt)
	if age <= s.options.MaxStaleness {
		return nil
	}
	stale := fmt.Errorf("the known %s are stale: the API server sent its last message %s ago, and cluster.maxStaleness is %s",
		resource, age.Round(time.Second), s.options.MaxStaleness)
	if err != nil {
		stale = fmt.Errorf("%w; %w", stale, err)
	}
	return stale
}

func (s *State) staleness(of *contact) string {
	if s.stale("", of) == nil {
		return ""
	}
	return "; beyond cluster.maxStaleness: extender calls are answered with an Error"
}

// nodeChanged is called after each change of a Node.
func (s *State) nodeChanged(name string) {
	s.mutex.Lock()
	s.publish(name)
	s.mutex.Unlock()
	s.options.OnNodes()
}

// changed builds the nodes whose pods changed again. mutex is held.
func (s *State) changed() {
	names := s.ledger.changed()
	if feed := s.current.Load(); feed == nil || !feed.reads.State {
		return
	}
	for _, name := range names {
		s.publish(name)
	}
}

// publishAll builds all nodes again. mutex is held.
func (s *State) publishAll() {
	s.ledger.changed()
	for name := range s.nodes.All() {
		s.publish(name)
	}
}

// publish builds the node that Find returns. mutex is held.
func (s *State) publish(name string) {
	bare, known := s.nodes.get(name)
	if !known {
		s.foundMutex.Lock()
		delete(s.found, name)
		s.foundMutex.Unlock()
		return
	}
	before, made := s.found[name] // written under mutex alone
	node := bare.node
	if made && before.of == bare.node {
		node = before.node // which classes it is of may be known
	}
	if feed := s.current.Load(); feed != nil && feed.reads.State {
		node = node.WithState(s.ledger.state(name, bare.allocatable, feed.reads))
	} else if node.State() != nil {
		node = bare.node
	}
	if made && before.node == node {
		return
	}
	s.options.Classify(node)
	s.foundMutex.Lock()
	s.found[name] = foundNode{node: node, of: bare.node}
	s.foundMutex.Unlock()
}

// PodByUID implements scheduling.Cluster.
func (s *State) PodByUID(uid string) (*nodes.Pod, bool) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return s.ledger.pod(uid)
}
