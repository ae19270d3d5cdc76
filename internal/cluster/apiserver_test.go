package cluster

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// apiServer answers lists and watches of nodes and pods as a kube-apiserver
// does, in JSON. Of pods it also answers gets and binds.
type apiServer struct {
	t *testing.T
	// noWatchList makes it refuse streamed lists, as servers before 1.32 do.
	noWatchList bool

	mu       sync.Mutex // guards what follows
	version  int
	nodes    map[string]*corev1.Node
	pods     map[string]*corev1.Pod // by namespace/name
	watchers map[chan event]string  // which resource
	headers  http.Header            // of the last list or watch of nodes
	lists    int                    // whole and streamed lists of nodes
	podLists int
	podQuery string        // of the last list or watch of pods
	podGate  chan struct{} // when not nil, lists of pods wait until it is closed
	bindings int
}

type event struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	return &apiServer{t: t, nodes: map[string]*corev1.Node{}, pods: map[string]*corev1.Pod{}, watchers: map[chan event]string{}}
}

func (s *apiServer) send(kind string, e event) {
	for w, of := range s.watchers {
		if of == kind {
			w <- e
		}
	}
}

// put makes a node or changes it; label says which version it is.
func (s *apiServer) put(name, label string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "MODIFIED"
	if s.nodes[name] == nil {
		kind = "ADDED"
	}
	s.version++
	s.nodes[name] = &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name:            name,
			Labels:          map[string]string{"version": label},
			ResourceVersion: strconv.Itoa(s.version),
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
			corev1.ResourceCPU:  resource.MustParse("4"),
			corev1.ResourcePods: resource.MustParse("110"),
		}},
	}
	s.send("nodes", event{kind, s.nodes[name]})
}

// putPod makes a pod or changes it.
func (s *apiServer) putPod(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storePod(pod)
}

func (s *apiServer) storePod(pod *corev1.Pod) {
	key, kind := pod.Namespace+"/"+pod.Name, "MODIFIED"
	if s.pods[key] == nil {
		kind = "ADDED"
	}
	s.version++
	pod = pod.DeepCopy()
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.ResourceVersion = strconv.Itoa(s.version)
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	s.pods[key] = pod
	s.send("pods", event{kind, pod})
}

// removePod takes a pod away, as the field selector does with one that ended.
func (s *apiServer) removePod(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	pod := s.pods[namespace+"/"+name].DeepCopy()
	pod.ResourceVersion = strconv.Itoa(s.version)
	delete(s.pods, namespace+"/"+name)
	s.send("pods", event{"DELETED", pod})
}

// holdPods makes lists of pods wait until release is called.
func (s *apiServer) holdPods() (release func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.podGate = gate
	return func() { close(gate) }
}

func (s *apiServer) podListCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.podLists
}

func (s *apiServer) podWatchers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, of := range s.watchers {
		if of == "pods" {
			n++
		}
	}
	return n
}

func (s *apiServer) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	node := s.nodes[name].DeepCopy()
	node.ResourceVersion = strconv.Itoa(s.version)
	delete(s.nodes, name)
	s.send("nodes", event{"DELETED", node})
}

// expire ends the watches in such a way that clients list again.
func (s *apiServer) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range []string{"nodes", "pods"} {
		s.send(kind, event{"ERROR", status(http.StatusGone, metav1.StatusReasonExpired)})
	}
	for w := range s.watchers {
		delete(s.watchers, w)
		close(w)
	}
}

func (s *apiServer) listCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

func (s *apiServer) header(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.headers.Get(name)
}

func status(code int32, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason,
	}
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case path == "/api/v1/nodes", path == "/api/v1/pods":
		s.collection(w, r, strings.TrimPrefix(path, "/api/v1/"))
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/api/v1/namespaces/"):
		s.get(w, strings.Split(path, "/"))
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/binding"):
		s.bind(w, r)
	default:
		s.t.Errorf("unexpected path %s", path)
	}
}

// get answers /api/v1/namespaces/NAMESPACE/pods/NAME.
func (s *apiServer) get(w http.ResponseWriter, path []string) {
	s.mu.Lock()
	pod := s.pods[path[4]+"/"+path[6]]
	s.mu.Unlock()
	if pod == nil {
		w.WriteHeader(http.StatusNotFound)
		writeJSON(w, status(http.StatusNotFound, metav1.StatusReasonNotFound))
		return
	}
	writeJSON(w, pod)
}

// bind does what the BindingREST of kube-apiserver does.
func (s *apiServer) bind(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	binding, ok := object.(*corev1.Binding)
	if err != nil || !ok {
		s.t.Errorf("not a Binding: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pod := s.pods[binding.Namespace+"/"+binding.Name]
	answer := status(http.StatusCreated, "")
	switch {
	case pod == nil:
		answer = status(http.StatusNotFound, metav1.StatusReasonNotFound)
	case pod.UID != binding.UID, pod.Spec.NodeName != "":
		answer = status(http.StatusConflict, metav1.StatusReasonConflict)
	default:
		s.bindings++
		pod = pod.DeepCopy()
		pod.Spec.NodeName = binding.Target.Name
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		maps.Copy(pod.Annotations, binding.Annotations)
		answer.Status = metav1.StatusSuccess
		s.storePod(pod)
	}
	w.WriteHeader(int(answer.Code))
	writeJSON(w, answer)
}

func (s *apiServer) list(kind string) any {
	meta := metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}
	if kind == "pods" {
		list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: meta}
		for _, pod := range s.pods {
			item := *pod
			item.TypeMeta = metav1.TypeMeta{}
			list.Items = append(list.Items, item)
		}
		return list
	}
	list := &corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}, ListMeta: meta}
	for _, node := range s.nodes {
		item := *node
		item.TypeMeta = metav1.TypeMeta{} // members of a list have none
		list.Items = append(list.Items, item)
	}
	return list
}

// initial are the events that a streamed list begins with.
func (s *apiServer) initial(kind string, out chan<- event) {
	last := metav1.ObjectMeta{
		ResourceVersion: strconv.Itoa(s.version),
		Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}
	if kind == "pods" {
		for _, pod := range s.pods {
			out <- event{"ADDED", pod}
		}
		out <- event{"BOOKMARK", &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: last}}
		return
	}
	for _, node := range s.nodes {
		out <- event{"ADDED", node}
	}
	out <- event{"BOOKMARK", &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: last}}
}

func (s *apiServer) collection(w http.ResponseWriter, r *http.Request, kind string) {
	query := r.URL.Query()
	streamed := query.Get("sendInitialEvents") == "true"
	whole := query.Get("watch") == ""

	s.mu.Lock()
	gate := s.podGate
	s.mu.Unlock()
	if kind == "pods" && gate != nil && (streamed || whole) {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	if kind == "pods" {
		s.podQuery = r.URL.RawQuery
	} else {
		s.headers = r.Header.Clone()
	}
	if streamed && s.noWatchList {
		s.mu.Unlock()
		w.WriteHeader(http.StatusUnprocessableEntity)
		writeJSON(w, status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid))
		return
	}
	if streamed || whole {
		if kind == "pods" {
			s.podLists++
		} else {
			s.lists++
		}
	}
	if whole {
		list := s.list(kind)
		s.mu.Unlock()
		writeJSON(w, list)
		return
	}
	events := make(chan event, 10000)
	if streamed {
		s.initial(kind, events)
	} else if from := query.Get("resourceVersion"); from != strconv.Itoa(s.version) {
		// What happened in between is not kept here.
		events <- event{"ERROR", status(http.StatusGone, metav1.StatusReasonExpired)}
	}
	s.watchers[events] = kind
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, events)
	}()

	stream(w, r, events)
}

// stream sends events to a watch until either side ends it.
func stream(w http.ResponseWriter, r *http.Request, events <-chan event) {
	for {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-events:
			if !ok {
				return
			}
			writeJSON(w, e)
		}
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client may have gone
}
