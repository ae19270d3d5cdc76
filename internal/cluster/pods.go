package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/verdict-dev/verdict/policy"
)

// unendedPods are those that still take room, by the selector that kube-scheduler
// watches with.
var unendedPods = fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
).String()

// podBackoff is how long to wait before the pods are listed or watched once
// more. client-go's own goes up to a minute, which is long for a state that
// decisions are made by.
var podBackoff = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 5, Cap: 5 * time.Second}

// hasEnded tells whether the pod takes no more room: the rule of the selector
// above, for where pods come without it.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// podFeed lists and watches the pods. It keeps of each what is read, and what is
// read never changes: then another feed takes over, and what the old one brought
// is served until the new one has listed all pods. It implements
// cache.TransformingStore.
type podFeed struct {
	state *State
	reads policy.StateReads
	// term is when the Lease was acquired that the feed was started for: its list
	// is newer.
	term time.Time
	stop context.CancelFunc
	// watching says that a watch is open.
	watching atomic.Bool
	// asked is when the newest list was asked for. It is the reflector's alone.
	asked time.Time
}

// follow starts and stops feeds, and classifies nodes anew, as policies change,
// until ctx is done.
func (s *State) follow(ctx context.Context) {
	for {
		s.adjust(ctx)
		s.classify()
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
	}
}

// classify does so again for policies that may read something else.
func (s *State) classify() {
	s.foundMutex.RLock()
	nodes := make([]*policy.Node, 0, len(s.found))
	for _, found := range s.found {
		nodes = append(nodes, found.node)
	}
	s.foundMutex.RUnlock()
	for _, node := range nodes {
		s.options.Classify(node)
	}
}

// adjust sees to it that the pods are watched as policies read them, or not at
// all when nobody needs them.
func (s *State) adjust(ctx context.Context) {
	reads := s.options.Reads()
	var term time.Time
	if s.lease != nil {
		term = s.lease.term()
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	needed := reads.State || s.options.Bind
	if s.newest != nil && needed && s.newest.reads == reads && s.newest.term.Equal(term) {
		return
	}
	current := s.current.Load()
	if s.newest != nil && (s.newest != current || !needed) {
		s.newest.stop()
	}
	if !needed {
		s.synced.Store(true)
		if current != nil {
			current.stop()
		}
		s.newest = nil
		s.current.Store(nil)
		s.ledger.clear()
		if current != nil && current.reads.State {
			s.publishAll()
		}
		return
	}
	ctx, stop := context.WithCancel(ctx)
	feed := &podFeed{state: s, reads: reads, term: term, stop: stop}
	s.newest = feed
	// It ends with ctx; while the API server refuses connections that may take a
	// while, and nobody waits for it.
	go feed.run(ctx)
}

func (f *podFeed) run(ctx context.Context) {
	reflector := cache.NewReflectorWithOptions(f.listWatch(), &corev1.Pod{}, f, cache.ReflectorOptions{
		Name: "pods", TypeDescription: "pods", Backoff: &podBackoff,
	})
	reflector.RunWithContext(ctx)
}

func (f *podFeed) listWatch() *cache.ListWatch {
	pods := f.state.clients.watch.Pods(metav1.NamespaceAll)
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = unendedPods
			if options.ResourceVersion == "0" {
				// Not what some cache happens to hold: who takes over binding has
				// to know what the one before bound.
				options.ResourceVersion = ""
			}
			if options.Continue == "" {
				f.asked = f.state.options.Now()
			}
			list, err := pods.List(ctx, options)
			return list, f.noted(ctx, err)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = unendedPods
			if options.SendInitialEvents != nil && *options.SendInitialEvents {
				f.asked = f.state.options.Now()
			}
			watching, err := pods.Watch(ctx, options)
			if err == nil {
				f.watching.Store(true)
				watching = &openWatch{Interface: watching, feed: f}
			}
			return watching, f.noted(ctx, err)
		},
	}
}

// openWatch notes when the watch ends.
type openWatch struct {
	watch.Interface
	feed *podFeed
}

// Stop implements watch.Interface. Reflectors call it for each watch, before
// they begin another one.
func (w *openWatch) Stop() {
	w.feed.watching.Store(false)
	w.Interface.Stop()
}

func (f *podFeed) noted(ctx context.Context, err error) error {
	switch {
	case err == nil, ctx.Err() != nil, isRefusal(err), apierrors.IsResourceExpired(err), apierrors.IsGone(err), apierrors.IsInvalid(err):
	default:
		f.state.podsFailed(err)
	}
	return err
}

func (s *State) podsFailed(err error) {
	err = fmt.Errorf("watching pods at %s: %w", s.nodes.host, err)
	s.podContact.failed(err)
	s.options.OnError(err)
}

// record is what is kept of a v1 Pod, which may be one already.
func (f *podFeed) record(object any) (*podRecord, error) {
	switch object := object.(type) {
	case *podRecord:
		return object, nil
	case *corev1.Pod:
		record := &podRecord{node: object.Spec.NodeName, at: f.state.options.Now(), ended: hasEnded(object)}
		if record.node != "" {
			record.state = podState(object, f.reads, f.state.annotations)
			return record, nil
		}
		// Nothing but its name and its text serves for anything yet.
		record.state = podState(object, policy.StateReads{}, f.state.annotations)
		if f.state.options.Bind {
			text, err := podText(object)
			if err != nil {
				return nil, fmt.Errorf("pod %s/%s: %w", object.Namespace, object.Name, err)
			}
			record.pending = text
		}
		return record, nil
	}
	return nil, errNotAPod
}

var errNotAPod = errors.New("not a v1 Pod")

// podText is the whole pod as JSON. The pod is ours to change.
func podText(pod *corev1.Pod) ([]byte, error) {
	pod.ManagedFields = nil
	pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	return json.Marshal(pod)
}

// Transformer implements cache.TransformingStore.
func (f *podFeed) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return f.record(object) }
}

// Add implements cache.ReflectorStore.
func (f *podFeed) Add(object any) error {
	record, err := f.record(object)
	if err != nil {
		return err
	}
	f.change(func(l *ledger) {
		if record.ended {
			l.remove(record.state.UID)
		} else {
			l.put(record)
		}
	})
	return nil
}

// Update implements cache.ReflectorStore.
func (f *podFeed) Update(object any) error { return f.Add(object) }

// Delete implements cache.ReflectorStore.
func (f *podFeed) Delete(object any) error {
	record, err := f.record(object)
	if err != nil {
		return err
	}
	f.change(func(l *ledger) { l.remove(record.state.UID) })
	return nil
}

// Resync implements cache.ReflectorStore.
func (f *podFeed) Resync() error { return nil }

// change changes the ledger, unless another feed has taken over.
func (f *podFeed) change(what func(*ledger)) {
	s := f.state
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.current.Load() != f {
		return
	}
	what(s.ledger)
	s.changed()
}

// Replace implements cache.ReflectorStore: it is given all pods there are. A feed
// takes over from the one before it then.
func (f *podFeed) Replace(objects []any, _ string) error {
	records := make([]*podRecord, 0, len(objects))
	for _, object := range objects {
		record, err := f.record(object)
		if err != nil {
			return err
		}
		if !record.ended {
			records = append(records, record)
		}
	}
	s := f.state
	s.mutex.Lock()
	defer s.mutex.Unlock()
	old := s.current.Load()
	if s.newest != f && old != f {
		return nil // another one was started since
	}
	var since time.Time
	if old != nil && old != f {
		since = f.asked
	}
	s.ledger.replace(records, since)
	if old == f {
		s.changed()
		return nil
	}
	s.current.Store(f)
	s.synced.Store(true)
	if old != nil {
		old.stop()
	}
	if f.reads.State || old != nil && old.reads.State {
		s.publishAll()
	}
	s.ledger.changed()
	return nil
}
