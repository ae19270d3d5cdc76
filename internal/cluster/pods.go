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

	"github.com/verdict-dev/verdict/policy/nodes"
)

// unendedPods selects the pods that take room, with the selector of kube-scheduler's
// own watch.
var unendedPods = fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
).String()

// podBackoff is the wait before the pods are listed or watched again. client-go's own
// backoff goes up to a minute, which is too long for a state that decides.
var podBackoff = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 5, Cap: 5 * time.Second}

// hasEnded reports whether the pod takes no room any more: the rule of the selector
// above, for pods that come without it.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// podFeed lists and watches the pods. It keeps the fields that policies read. The set
// of these fields never changes in a feed: when it changes, a new feed takes over, and
// the pods of the old feed are served until the new one has listed all pods. It
// implements cache.TransformingStore.
type podFeed struct {
	state *State
	reads nodes.Reads
	// term is the time at which the Lease was acquired; the feed was started for it, and
	// its list is newer.
	term time.Time
	stop context.CancelFunc
	// watching says that a watch is open.
	watching atomic.Bool
	// asked is when the newest list was requested. Only the reflector uses it.
	asked time.Time
}

// follow starts and stops feeds, and classifies nodes again, when policies change,
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

// classify classifies all nodes again, for policies that may read other fields.
func (s *State) classify() {
	s.foundMutex.RLock()
	list := make([]*nodes.Node, 0, len(s.found))
	for _, found := range s.found {
		list = append(list, found.node)
	}
	s.foundMutex.RUnlock()
	for _, node := range list {
		s.options.Classify(node)
	}
}

// adjust makes the watch of pods match the fields that policies read, and stops it
// when no policy and no bind call needs pods.
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
	// It ends with ctx. While the API server refuses connections this can take some
	// time, and no goroutine waits for it.
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
				// Not from a cache of the API server: a replica that takes over has to
				// know all pods that the other replica bound.
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

// openWatch records the end of the watch.
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

// record is the podRecord of a v1 Pod; the argument may already be one.
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
		// Only its name and its text are used for now.
		record.state = podState(object, nodes.Reads{}, f.state.annotations)
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

// Replace implements cache.ReflectorStore: it gets all pods. The feed then takes over
// from the feed before it.
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
