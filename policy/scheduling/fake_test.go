package scheduling

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// fakeCluster is a Cluster in memory. Its pods request what their annotation
// example.com/gpu says, as one digit.
type fakeCluster struct {
	mutex   sync.Mutex
	nodes   map[string]*nodes.Node
	pods    map[string]*fakePod // by UID
	locks   map[string]chan struct{}
	binds   int
	assumed int // now

	inactive, stale, ready error
	// onBind is what Bind answers in place of binding; nil binds.
	onBind func(*fakePod) error
	// onLocked runs once a node is locked.
	onLocked func()
	// onPending runs in PendingPod.
	onPending func()
}

type fakePod struct {
	namespace, name, uid string
	text                 string // "" for a plain one
	node                 string // bound to
	assumed              string // node
	annotations          map[string]string
}

func newFakeCluster(tb testing.TB, list ...string) *fakeCluster {
	tb.Helper()
	f := &fakeCluster{nodes: map[string]*nodes.Node{}, pods: map[string]*fakePod{}, locks: map[string]chan struct{}{}}
	for _, name := range list {
		f.nodes[name] = node(tb, name, "")
		f.locks[name] = make(chan struct{}, 1)
	}
	return f
}

func (f *fakeCluster) add(name string) *fakePod {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	pod := &fakePod{namespace: "default", name: name, uid: "uid-" + name}
	f.pods[pod.uid] = pod
	return pod
}

func (p *fakePod) binding(node string) Binding {
	return Binding{Namespace: p.namespace, Name: p.name, UID: p.uid, Node: node}
}

func (p *fakePod) state() *nodes.Pod {
	return &nodes.Pod{
		Namespace: p.namespace, Name: p.name, UID: p.uid, Annotations: p.annotations,
		Requests: map[string]int64{"cpu": 100}, Assumed: p.assumed != "",
	}
}

func (f *fakeCluster) Find(names [][]byte, list []*nodes.Node) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for i, name := range names {
		n := f.nodes[string(name)]
		if n == nil {
			continue
		}
		state := &nodes.State{
			Allocatable: map[string]int64{"cpu": 1000}, Requested: map[string]int64{"cpu": 0, "pods": 0},
		}
		for _, uid := range slices.Sorted(maps.Keys(f.pods)) {
			if pod := f.pods[uid]; pod.node == n.Name() || pod.assumed == n.Name() {
				state.Pods = append(state.Pods, pod.state())
				state.Requested["cpu"] += 100
				state.Requested["pods"]++
			}
		}
		list[i] = n.WithState(state)
	}
}

func (f *fakeCluster) Ready() error  { return f.ready }
func (f *fakeCluster) Stale() error  { return f.stale }
func (f *fakeCluster) Active() error { return f.inactive }

func (f *fakeCluster) PodByUID(uid string) (*nodes.Pod, bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if pod, ok := f.pods[uid]; ok && pod.node+pod.assumed != "" {
		return pod.state(), true
	}
	return nil, false
}

func (f *fakeCluster) PendingPod(_ context.Context, _, _, uid string) ([]byte, string, error) {
	if f.onPending != nil {
		f.onPending()
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	pod, ok := f.pods[uid]
	if !ok {
		return nil, "", fmt.Errorf("asking the API server: %w", ErrNoPod)
	}
	text := pod.text
	if text == "" {
		text = fmt.Sprintf(`{"metadata":{"namespace":%q,"name":%q,"uid":%q}}`, pod.namespace, pod.name, pod.uid)
	}
	return []byte(text), pod.node, nil
}

func (f *fakeCluster) LockNode(ctx context.Context, node string) (func(), error) {
	lock, ok := f.locks[node]
	if !ok {
		return func() {}, nil
	}
	select {
	case lock <- struct{}{}:
		if f.onLocked != nil {
			f.onLocked()
		}
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fakeCluster) Assume(text []byte, node string, annotations map[string]string) (func(), error) {
	parsed, err := document.ParseObject(text)
	if err != nil {
		return nil, err
	}
	defer parsed.Release()
	uid, _ := parsed.Root().Get("metadata").String("uid")
	f.mutex.Lock()
	defer f.mutex.Unlock()
	pod := f.pods[uid]
	pod.assumed, pod.annotations = node, annotations
	f.assumed++
	return func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		pod.assumed, pod.annotations = "", nil
		f.assumed--
	}, nil
}

func (f *fakeCluster) Bind(ctx context.Context, namespace, name, uid, node string, _ map[string]string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	pod := f.pods[uid]
	f.binds++
	if f.onBind != nil {
		if err := f.onBind(pod); err != nil {
			return fmt.Errorf("binding pod %s/%s to node %s: %w", namespace, name, node, err)
		}
		return nil
	}
	if ctx.Err() != nil {
		return errors.Join(ErrBindUnknown, ctx.Err())
	}
	pod.node = node
	return nil
}
