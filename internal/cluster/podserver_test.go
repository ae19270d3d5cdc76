package cluster

import (
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes/scheme"
)

// podServer answers for pods as a kube-apiserver does, with what a test of lost
// events needs: field selectors on lists and watches, watches that begin at an
// earlier version, Bindings with their preconditions, and faults.
type podServer struct {
	*apiServer // answers for nodes

	mu       sync.Mutex // guards what follows
	version  int
	pods     map[string]*corev1.Pod // by name; all are in one namespace
	log      []podChange
	oldest   int // the version from which on watches can begin
	watchers map[*podWatcher]struct{}
	down     bool // lists and watches fail
	// fault says what goes wrong with a get or a Binding; nil for nothing.
	fault func(binding bool) fault
	// bound is told of each Binding that took place, before it is seen.
	bound func(pod *corev1.Pod)
	limbo sync.WaitGroup // requests that arrive late
}

// podChange is one version of the store; before or after is nil for a pod that
// was created or deleted.
type podChange struct {
	version       int
	before, after *corev1.Pod
}

type podWatcher struct {
	selector fields.Selector
	events   chan event
}

// fault is what becomes of a request. The zero value is none.
type fault struct {
	delay time.Duration // before it is executed
	code  int           // answered in place of executing it, 0 to execute it
	lost  bool          // executed, and the connection ends in place of an answer
	late  time.Duration // executed that much later, the connection having ended
	odd   int           // executed, and answered with this code
}

func newPodServer(t *testing.T) *podServer {
	t.Helper()
	return &podServer{apiServer: newAPIServer(t), pods: map[string]*corev1.Pod{}, watchers: map[*podWatcher]struct{}{}}
}

func podFields(pod *corev1.Pod) fields.Set {
	phase := pod.Status.Phase
	if phase == "" {
		phase = corev1.PodPending
	}
	return fields.Set{"status.phase": string(phase), "spec.nodeName": pod.Spec.NodeName, "metadata.name": pod.Name, "metadata.namespace": pod.Namespace}
}

// change stores after in place of the pod of that name; nil deletes it. mu is held.
func (s *podServer) change(name string, after *corev1.Pod) {
	s.version++
	before := s.pods[name]
	if after == nil {
		delete(s.pods, name)
	} else {
		after.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		after.ResourceVersion = strconv.Itoa(s.version)
		s.pods[name] = after
	}
	change := podChange{s.version, before, after}
	s.log = append(s.log, change)
	for w := range s.watchers {
		if e, ok := change.seenBy(w.selector); ok {
			w.events <- e
		}
	}
}

// seenBy is the event that a watch with that selector gets, if any.
func (c podChange) seenBy(selector fields.Selector) (event, bool) {
	was := c.before != nil && selector.Matches(podFields(c.before))
	is := c.after != nil && selector.Matches(podFields(c.after))
	switch {
	case is && was:
		return event{"MODIFIED", c.after}, true
	case is:
		return event{"ADDED", c.after}, true
	case was:
		gone := c.before.DeepCopy()
		gone.ResourceVersion = strconv.Itoa(c.version)
		return event{"DELETED", gone}, true
	}
	return event{}, false
}

// edit changes a pod, if there is one of that name; edit returns nil to delete it.
func (s *podServer) edit(name string, edit func(*corev1.Pod) *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.pods[name]; known != nil {
		s.change(name, edit(known.DeepCopy()))
	}
}

// create makes the pod unless there is one of that name.
func (s *podServer) create(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pods[pod.Name] == nil {
		s.change(pod.Name, pod.DeepCopy())
	}
}

// cut ends all watches, and with down what would begin them anew.
func (s *podServer) cut(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	for w := range s.watchers {
		delete(s.watchers, w)
		close(w.events)
	}
}

// up lets lists and watches begin anew; with compact no watch can begin at what
// happened before.
func (s *podServer) up(compact bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
	if compact {
		s.oldest = s.version
		s.log = nil
	}
}

func (s *podServer) setFault(f func(binding bool) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// ServeHTTP implements http.Handler.
func (s *podServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Path
	switch {
	case path == "/api/v1/pods":
		s.podCollection(w, r)
	case strings.HasPrefix(path, "/api/v1/namespaces/"):
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.answer(w, r, func() (int, any) {
			if name := strings.Split(path, "/")[6]; r.Method == http.MethodGet {
				return s.getPod(name)
			}
			return s.bindPod(body)
		})
	default:
		s.apiServer.ServeHTTP(w, r)
	}
}

// answer executes the request, or does what fault says.
func (s *podServer) answer(w http.ResponseWriter, r *http.Request, execute func() (int, any)) {
	s.mu.Lock()
	var f fault
	if s.fault != nil {
		f = s.fault(r.Method == http.MethodPost)
	}
	s.mu.Unlock()
	if f.late > 0 {
		s.limbo.Go(func() { time.Sleep(f.late); execute() })
		panic(http.ErrAbortHandler)
	}
	if !sleep(context.WithoutCancel(r.Context()), f.delay) {
		return
	}
	if f.code != 0 {
		w.WriteHeader(f.code)
		writeJSON(w, status(int32(f.code), metav1.StatusReasonUnknown))
		return
	}
	code, object := execute()
	if f.lost {
		panic(http.ErrAbortHandler)
	}
	if f.odd != 0 {
		code, object = f.odd, status(int32(f.odd), metav1.StatusReasonUnknown)
	}
	w.WriteHeader(code)
	writeJSON(w, object)
}

func (s *podServer) getPod(name string) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pod := s.pods[name]; pod != nil {
		return http.StatusOK, pod
	}
	return http.StatusNotFound, status(http.StatusNotFound, metav1.StatusReasonNotFound)
}

// bindPod does what BindingREST of kube-apiserver does; it does not look at the
// phase.
func (s *podServer) bindPod(body []byte) (int, any) {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	binding, ok := object.(*corev1.Binding)
	if err != nil || !ok {
		return http.StatusBadRequest, status(http.StatusBadRequest, metav1.StatusReasonBadRequest)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pod := s.pods[binding.Name]
	switch {
	case pod == nil:
		return http.StatusNotFound, status(http.StatusNotFound, metav1.StatusReasonNotFound)
	case binding.UID != "" && pod.UID != binding.UID, pod.DeletionTimestamp != nil, pod.Spec.NodeName != "":
		return http.StatusConflict, status(http.StatusConflict, metav1.StatusReasonConflict)
	}
	pod = pod.DeepCopy()
	pod.Spec.NodeName = binding.Target.Name
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	maps.Copy(pod.Annotations, binding.Annotations)
	if s.bound != nil {
		s.bound(pod)
	}
	s.change(binding.Name, pod)
	return http.StatusCreated, &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess, Code: http.StatusCreated}
}

func (s *podServer) podCollection(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	selector, err := fields.ParseSelector(query.Get("fieldSelector"))
	if err != nil {
		s.t.Errorf("selector: %v", err)
	}
	s.mu.Lock()
	if s.down {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	matching := []*corev1.Pod{}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		if pod := s.pods[name]; selector.Matches(podFields(pod)) {
			matching = append(matching, pod)
		}
	}
	if query.Get("watch") == "" {
		list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
		for _, pod := range matching {
			list.Items = append(list.Items, *pod)
		}
		s.mu.Unlock()
		writeJSON(w, list)
		return
	}
	watcher := &podWatcher{selector: selector, events: make(chan event, 10000)}
	if query.Get("sendInitialEvents") == "true" {
		for _, pod := range matching {
			watcher.events <- event{"ADDED", pod}
		}
		watcher.events <- event{"BOOKMARK", &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: strconv.Itoa(s.version), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}}}
	} else {
		s.replay(watcher, query.Get("resourceVersion"))
	}
	s.watchers[watcher] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, watcher)
	}()
	stream(w, r, watcher.events)
}

// replay sends what happened since that version. mu is held.
func (s *podServer) replay(watcher *podWatcher, since string) {
	from, err := strconv.Atoi(since)
	if err != nil || from < s.oldest {
		watcher.events <- event{"ERROR", status(http.StatusGone, metav1.StatusReasonExpired)}
		return
	}
	for _, change := range s.log {
		if e, ok := change.seenBy(watcher.selector); ok && change.version > from {
			watcher.events <- e
		}
	}
}

// live are the pods that take room on each node.
func (s *podServer) live() map[string][]*corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.liveLocked()
}

func (s *podServer) liveLocked() map[string][]*corev1.Pod {
	out := map[string][]*corev1.Pod{}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		if pod := s.pods[name]; pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			out[pod.Spec.NodeName] = append(out[pod.Spec.NodeName], pod)
		}
	}
	return out
}

// anyFault is what may go wrong with a request. At times everything does: then
// no second attempt makes up for the first.
func anyFault(random *rand.Rand) func(binding bool) fault {
	var storm time.Time // until when
	return func(binding bool) fault {
		if !binding {
			return [...]fault{{}, {}, {}, {}, {delay: 300 * time.Millisecond}, {delay: 3 * time.Second}, {code: 500}, {lost: true}}[random.IntN(8)]
		}
		if random.IntN(15) == 0 {
			storm = time.Now().Add(6 * time.Second)
		}
		if time.Now().Before(storm) {
			return fault{late: time.Duration(random.IntN(20)) * time.Second}
		}
		return [...]fault{
			{},
			{},
			{},
			{},
			{},
			{delay: 300 * time.Millisecond},
			{delay: 5 * time.Second},
			{delay: 12 * time.Second},
			{code: 403},
			{code: 409},
			{code: 500},
			{lost: true},
			{lost: true},
			{late: 2 * time.Second},
			{late: 15 * time.Second},
			{odd: 504},
		}[random.IntN(16)]
	}
}
