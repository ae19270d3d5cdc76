package cluster

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiServer answers lists and watches of one resource as a kube-apiserver does,
// in JSON.
type apiServer struct {
	t          *testing.T
	path, kind string
	// noWatchList makes it refuse streamed lists, as servers before 1.32 do.
	noWatchList bool

	mu       sync.Mutex // guards what follows
	version  int
	objects  map[string]object // by name
	watchers map[chan event]struct{}
	headers  http.Header // of the last request
	query    url.Values  // likewise
	lists    int         // whole and streamed lists
}

// object is the JSON form of an object.
type object map[string]any

type event struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

// newAPIServer has nodes.
func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	return newAPIServerOf(t, "/api/v1/nodes", "Node")
}

func newAPIServerOf(t *testing.T, path, kind string) *apiServer {
	t.Helper()
	return &apiServer{t: t, path: path, kind: kind, objects: map[string]object{}, watchers: map[chan event]struct{}{}}
}

func (s *apiServer) send(e event) {
	for w := range s.watchers {
		w <- e
	}
}

// put makes a node or changes it; label says which version it is.
func (s *apiServer) put(name, label string) {
	s.set(name, object{
		"metadata": object{
			"labels":        map[string]string{"version": label},
			"managedFields": []object{{"manager": "kubelet"}},
		},
		"spec": object{}, "status": object{},
	})
}

// set makes an object or changes it.
func (s *apiServer) set(name string, content object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change := "MODIFIED"
	if s.objects[name] == nil {
		change = "ADDED"
	}
	s.version++
	metadata := maps.Clone(content["metadata"].(object))
	metadata["name"], metadata["resourceVersion"] = name, strconv.Itoa(s.version)
	content = maps.Clone(content)
	content["apiVersion"], content["kind"], content["metadata"] = "v1", s.kind, metadata
	s.objects[name] = content
	s.send(event{change, content})
}

func (s *apiServer) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	last := maps.Clone(s.objects[name])
	metadata := maps.Clone(last["metadata"].(object))
	metadata["resourceVersion"] = strconv.Itoa(s.version)
	last["metadata"] = metadata
	delete(s.objects, name)
	s.send(event{"DELETED", last})
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

// asked is a parameter of the last request.
func (s *apiServer) asked(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.query.Get(name)
}

func status(code int32, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason,
	}
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != s.path {
		s.t.Errorf("unexpected path %s", r.URL.Path)
	}
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	streamed := query.Get("sendInitialEvents") == "true"

	s.mu.Lock()
	s.headers, s.query = r.Header.Clone(), query
	switch {
	case streamed && s.noWatchList:
		s.mu.Unlock()
		w.WriteHeader(http.StatusUnprocessableEntity)
		s.write(w, status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid))
		return
	case query.Get("watch") == "":
		s.lists++
		items := []object{}
		for _, stored := range s.objects {
			item := maps.Clone(stored) // members of a list have none of these
			delete(item, "apiVersion")
			delete(item, "kind")
			items = append(items, item)
		}
		list := object{
			"apiVersion": "v1", "kind": s.kind + "List",
			"metadata": object{"resourceVersion": strconv.Itoa(s.version)}, "items": items,
		}
		s.mu.Unlock()
		s.write(w, list)
		return
	}
	events := make(chan event, 1000)
	if streamed {
		s.lists++
		for _, stored := range s.objects {
			events <- event{"ADDED", stored}
		}
		events <- event{"BOOKMARK", object{
			"apiVersion": "v1", "kind": s.kind,
			"metadata": object{
				"resourceVersion": strconv.Itoa(s.version),
				"annotations":     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
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
