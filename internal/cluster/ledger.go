package cluster

import (
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// podRecord holds the fields of a v1 Pod that are kept.
type podRecord struct {
	state *nodes.Pod
	node  string // spec.nodeName
	// pending is the whole pod as JSON while it waits to be bound, where bind
	// needs it.
	pending []byte
	// ended says that the pod has Succeeded or Failed: a feed does not keep such pods.
	ended bool
	// at is the time at which it arrived, by the clock of the State.
	at time.Time
}

// GetObjectMeta implements metav1.ObjectMetaAccessor, by which informers read the
// names of objects.
func (r *podRecord) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: r.state.Namespace, Name: r.state.Name}
}

type podName struct{ namespace, name string }

func (r *podRecord) name() podName { return podName{r.state.Namespace, r.state.Name} }

// ledger knows which pods are on which node, and the sum of their requests there. It
// updates the sums when pods are added and removed. It is not safe for concurrent
// use.
type ledger struct {
	pods    map[string]*podRecord    // by UID, as the API server has them
	uids    map[podName]string       // of the same pods
	assumed map[string][]*assumption // by UID; none of them is in pods with a node
	nodes   map[string]*occupancy    // by name; those with pods
	dirty   map[string]struct{}      // nodes that changed since they were last asked for
	ended   scheduling.AssumedStats  // how assumptions ended
	// asks says that the API server can be asked about single pods.
	asks bool

	requests    *interned[int64]
	labels      *interned[string]
	annotations *interned[string]
}

// occupancy holds the pods of one node and their sum.
type occupancy struct {
	pods      []*nodes.Pod     // sorted by namespace and name; never changed in place
	requested map[string]int64 // their sum, without zeros
}

func newLedger() *ledger {
	return &ledger{
		pods: map[string]*podRecord{}, uids: map[podName]string{}, assumed: map[string][]*assumption{},
		nodes: map[string]*occupancy{}, dirty: map[string]struct{}{},
		requests: newInterned[int64](), labels: newInterned[string](), annotations: newInterned[string](),
	}
}

// put takes in a pod as the API server has it now.
func (l *ledger) put(record *podRecord) {
	uid := record.state.UID
	if other, ok := l.uids[record.name()]; ok && other != uid {
		l.drop(other) // another pod had the name
	}
	old := l.pods[uid]
	if old != nil && old.node == record.node && samePod(old.state, record.state) {
		old.pending = record.pending
		return
	}
	record.state.Requests = l.requests.of(record.state.Requests)
	record.state.Labels = l.labels.of(record.state.Labels)
	record.state.Annotations = l.annotations.of(record.state.Annotations)
	if old != nil {
		l.displace(old.node, old.state)
		if l.asks && old.node != "" && record.node == "" {
			l.seenAs(old) // nothing unbinds a pod: this is older
		}
	}
	if record.node != "" {
		l.forgetAll(uid, record.node)
	}
	l.pods[uid], l.uids[record.name()] = record, uid
	l.place(record.node, record.state)
}

// remove takes away the pod of that UID: it was deleted, or it has ended.
func (l *ledger) remove(uid string) {
	l.forgetAll(uid, "")
	l.drop(uid)
}

// drop removes the pod, and leaves its assumptions until the API server is asked: the
// news that the pod is gone may be older than the assumption.
func (l *ledger) drop(uid string) {
	for _, assumed := range l.assumed[uid] {
		assumed.askNow()
	}
	record := l.pods[uid]
	if record == nil {
		return
	}
	delete(l.pods, uid)
	if l.uids[record.name()] == uid {
		delete(l.uids, record.name())
	}
	l.displace(record.node, record.state)
}

// replace takes the result of a list: all pods that have not ended. Assumed pods that
// are not in it stay until the API server is asked about them: they may be newer than
// the list, or may have ended without an event.
//
// The list of a new feed was requested at the time since: pods that the old feed
// brought after that are newer. since is zero for a list of the same feed.
func (l *ledger) replace(records []*podRecord, since time.Time) {
	listed := make(map[string]struct{}, len(records))
	for _, record := range records {
		listed[record.state.UID] = struct{}{}
		l.put(record)
	}
	for uid, record := range l.pods {
		if _, ok := listed[uid]; ok {
			continue
		}
		l.drop(uid)
		if l.asks && record.node != "" && !since.IsZero() && record.at.After(since) {
			l.seenAs(record)
		}
	}
	for uid, of := range l.assumed {
		if _, ok := listed[uid]; ok {
			continue
		}
		for _, assumed := range of {
			assumed.askNow()
		}
	}
}

// clear forgets all pods of the API server.
func (l *ledger) clear() {
	for _, record := range l.pods {
		l.displace(record.node, record.state)
	}
	clear(l.pods)
	clear(l.uids)
}

// bound returns the node that the API server says the pod is on, "" for none.
func (l *ledger) bound(uid string) string {
	if record := l.pods[uid]; record != nil {
		return record.node
	}
	return ""
}

// pod returns a pod that is on a node or assumed there.
func (l *ledger) pod(uid string) (*nodes.Pod, bool) {
	if record := l.pods[uid]; record != nil && record.node != "" {
		return record.state, true
	}
	if assumed := l.assumed[uid]; len(assumed) > 0 {
		return assumed[0].state, true
	}
	return nil, false
}

func (l *ledger) place(node string, pod *nodes.Pod) {
	if node == "" {
		return
	}
	l.dirty[node] = struct{}{}
	on := l.nodes[node]
	if on == nil {
		on = &occupancy{requested: map[string]int64{}}
		l.nodes[node] = on
	}
	at, _ := slices.BinarySearchFunc(on.pods, pod, comparePods)
	pods := make([]*nodes.Pod, 0, len(on.pods)+1)
	on.pods = append(append(append(pods, on.pods[:at]...), pod), on.pods[at:]...)
	for name, amount := range pod.Requests {
		on.add(name, amount)
	}
}

func (l *ledger) displace(node string, pod *nodes.Pod) {
	if node == "" {
		return
	}
	l.dirty[node] = struct{}{}
	on := l.nodes[node]
	at := slices.Index(on.pods, pod)
	pods := make([]*nodes.Pod, 0, len(on.pods)-1)
	on.pods = append(append(pods, on.pods[:at]...), on.pods[at+1:]...)
	for name, amount := range pod.Requests {
		on.add(name, -amount)
	}
	if len(on.pods) == 0 {
		delete(l.nodes, node)
	}
}

func (o *occupancy) add(name string, amount int64) {
	// A node without pods is equal to a node that never had one.
	if o.requested[name] += amount; o.requested[name] == 0 {
		delete(o.requested, name)
	}
}

// comparePods sorts by namespace and name, and pods that had the same name one
// after the other by UID.
func comparePods(a, b *nodes.Pod) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.UID, b.UID)
}

// state is the state of a node as policies see it.
func (l *ledger) state(name string, allocatable map[string]int64, reads nodes.Reads) *nodes.State {
	on := l.nodes[name]
	if on == nil {
		on = &occupancy{}
	}
	state := &nodes.State{Counted: on.pods}
	if reads.Requested {
		state.Allocatable = allocatable
		state.Requested = make(map[string]int64, len(allocatable)+1)
		for name := range allocatable {
			state.Requested[name] = 0
		}
		maps.Copy(state.Requested, on.requested)
		state.Requested[podsResource] = int64(len(on.pods))
	}
	if reads.Pods {
		state.Pods = on.pods
	}
	return state
}

// podsResource is the v1 ResourceName of the number of pods.
const podsResource = "pods"

// changed returns the nodes that changed since it was last called.
func (l *ledger) changed() []string {
	names := slices.Collect(maps.Keys(l.dirty))
	clear(l.dirty)
	return names
}
