package cluster

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// objectServer answers lists and watches of one resource as a kube-apiserver does,
// in JSON.
type objectServer struct {
	t          *testing.T
	path, kind string
	// noWatchList makes it refuse streamed lists, as servers before 1.32 do.
	noWatchList bool

	mu       sync.Mutex // guards what follows
	version  int
	objects  map[string]object // by name
	watchers map[chan event]struct{}
	query    url.Values // of the last request
	lists    int        // whole and streamed lists
}

// object is the JSON form of an object.
type object map[string]any

func newObjectServer(t *testing.T, path, kind string) *objectServer {
	t.Helper()
	return &objectServer{t: t, path: path, kind: kind, objects: map[string]object{}, watchers: map[chan event]struct{}{}}
}

func (s *objectServer) send(e event) {
	for w := range s.watchers {
		w <- e
	}
}

// set makes an object or changes it.
func (s *objectServer) set(name string, content object) {
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

func (s *objectServer) remove(name string) {
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
func (s *objectServer) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(event{"ERROR", status(http.StatusGone, metav1.StatusReasonExpired)})
	for w := range s.watchers {
		delete(s.watchers, w)
		close(w)
	}
}

func (s *objectServer) listCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists
}

// asked is a parameter of the last request.
func (s *objectServer) asked(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.query.Get(name)
}

func (s *objectServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != s.path {
		s.t.Errorf("unexpected path %s", r.URL.Path)
	}
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	streamed := query.Get("sendInitialEvents") == "true"

	s.mu.Lock()
	s.query = query
	switch {
	case streamed && s.noWatchList:
		s.mu.Unlock()
		w.WriteHeader(http.StatusUnprocessableEntity)
		writeJSON(w, status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid))
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
		writeJSON(w, list)
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

	stream(w, r, events)
}
