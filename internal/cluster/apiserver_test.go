package cluster

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiServer answers lists and watches of nodes as a kube-apiserver does, in JSON.
type apiServer struct {
	t *testing.T
	// noWatchList makes it refuse streamed lists, as servers before 1.32 do.
	noWatchList bool

	mu       sync.Mutex // guards what follows
	version  int
	nodes    map[string]*corev1.Node
	watchers map[chan event]struct{}
	headers  http.Header // of the last request
	lists    int         // whole and streamed lists
}

type event struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	return &apiServer{t: t, nodes: map[string]*corev1.Node{}, watchers: map[chan event]struct{}{}}
}

func (s *apiServer) send(e event) {
	for w := range s.watchers {
		w <- e
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
	}
	s.send(event{kind, s.nodes[name]})
}

func (s *apiServer) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	node := s.nodes[name].DeepCopy()
	node.ResourceVersion = strconv.Itoa(s.version)
	delete(s.nodes, name)
	s.send(event{"DELETED", node})
}

// expire ends the watches in such a way that clients list again.
func (s *apiServer) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(event{"ERROR", status(http.StatusGone, metav1.StatusReasonExpired)})
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
	if r.URL.Path != "/api/v1/nodes" {
		s.t.Errorf("unexpected path %s", r.URL.Path)
	}
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	streamed := query.Get("sendInitialEvents") == "true"

	s.mu.Lock()
	s.headers = r.Header.Clone()
	switch {
	case streamed && s.noWatchList:
		s.mu.Unlock()
		w.WriteHeader(http.StatusUnprocessableEntity)
		s.write(w, status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid))
		return
	case query.Get("watch") == "":
		s.lists++
		list := &corev1.NodeList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"},
			ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)},
		}
		for _, node := range s.nodes {
			item := *node
			item.TypeMeta = metav1.TypeMeta{} // members of a list have none
			list.Items = append(list.Items, item)
		}
		s.mu.Unlock()
		s.write(w, list)
		return
	}
	events := make(chan event, 1000)
	if streamed {
		s.lists++
		for _, node := range s.nodes {
			events <- event{"ADDED", node}
		}
		events <- event{"BOOKMARK", &corev1.Node{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
			ObjectMeta: metav1.ObjectMeta{
				ResourceVersion: strconv.Itoa(s.version),
				Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
			},
		}}
	} else if from := query.Get("resourceVersion"); from != strconv.Itoa(s.version) {
		// What happened in between is not kept here.
		events <- event{"ERROR", status(http.StatusGone, metav1.StatusReasonExpired)}
	}
	s.watchers[events] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, events)
	}()

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
			s.write(w, e)
		}
	}
}

func (s *apiServer) write(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client may have gone
}
