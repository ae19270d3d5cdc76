package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/open-policy-agent/opa/v1/ast"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// asText "decodes" a node to its own text.
func asText(_ *corev1.Node, text []byte) (ast.Value, error) { return ast.String(text), nil }

// configFor is what ClientConfig makes of a kubeconfig with that host alone.
func configFor(host string) *rest.Config {
	return &rest.Config{
		Host: host, UserAgent: userAgent,
		ContentConfig: rest.ContentConfig{
			ContentType:        runtime.ContentTypeProtobuf,
			AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
		},
	}
}

// run keeps nodes up to date until the test ends.
func run[T any](t *testing.T, n *nodeInformer[T]) {
	t.Helper()
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func start(t *testing.T, s *apiServer, decode func(*corev1.Node, []byte) (ast.Value, error), options Options) *nodeInformer[ast.Value] {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	n, err := newNodeInformer(configFor(server.URL), decode, options)
	must(t, err)
	run(t, n)
	return n
}

// eventually waits for what the informer's goroutines bring about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// node looks one node up.
func node(n *nodeInformer[ast.Value], name string) (ast.Value, bool) {
	found := make([]ast.Value, 1)
	n.Find([][]byte{[]byte(name)}, found)
	return found[0], found[0] != nil
}

// version returns the version label of a node, "" when it is not known.
func version(t *testing.T, n *nodeInformer[ast.Value], name string) string {
	t.Helper()
	found, ok := node(n, name)
	if !ok {
		return ""
	}
	var node corev1.Node
	must(t, json.Unmarshal([]byte(found.(ast.String)), &node))
	return node.Labels["version"]
}

func TestNodesFollowTheCluster(t *testing.T) {
	tests := map[string]struct{ noWatchList bool }{
		"streamed list": {},
		"whole list":    {noWatchList: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.noWatchList = test.noWatchList
			s.put("a", "1")
			s.put("b", "1")
			n := start(t, s, asText, Options{OnError: func(err error) { t.Errorf("reported %v", err) }})
			eventually(t, "the first list", func() bool { return n.Ready() == nil })
			if a, b := version(t, n, "a"), version(t, n, "b"); a != "1" || b != "1" {
				t.Fatalf("ready, but a has version %q and b %q", a, b)
			}
			if _, ok := node(n, "c"); ok {
				t.Error("a node that does not exist was found")
			}
			s.put("a", "2")
			s.put("c", "1")
			s.remove("b")
			eventually(t, "a change", func() bool { return version(t, n, "a") == "2" })
			eventually(t, "a new node", func() bool { return version(t, n, "c") == "1" })
			eventually(t, "a removal", func() bool { return version(t, n, "b") == "" })
			if got := n.Status(); !strings.HasPrefix(got, "2 nodes, last contact with the API server at http://127.0.0.1:") {
				t.Errorf("the status is %q", got)
			}
			if got := s.header("User-Agent"); got != "verdict" {
				t.Errorf("the user agent is %q", got)
			}
			if got := s.header("Accept"); !strings.HasPrefix(got, "application/vnd.kubernetes.protobuf") {
				t.Errorf("accepts %q, want protobuf first", got)
			}
		})
	}
}

func TestNodesAreWholeNodes(t *testing.T) {
	for name, noWatchList := range map[string]bool{"streamed list": false, "whole list": true} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.noWatchList = noWatchList
			s.put("a", "1")
			n := start(t, s, asText, Options{})
			eventually(t, "the first list", func() bool { return n.Ready() == nil })
			found, _ := node(n, "a")
			var got map[string]any
			must(t, json.Unmarshal([]byte(found.(ast.String)), &got))
			if got["apiVersion"] != "v1" || got["kind"] != "Node" {
				t.Errorf("got a %v %v, want a v1 Node", got["apiVersion"], got["kind"])
			}
			metadata := got["metadata"].(map[string]any)
			if _, ok := metadata["managedFields"]; ok || metadata["resourceVersion"] != "1" {
				t.Errorf("the metadata is %v, want it whole but for managedFields", metadata)
			}
			for _, part := range []string{"spec", "status"} {
				if _, ok := got[part]; !ok {
					t.Errorf("no %s", part)
				}
			}
		})
	}
}

func TestNodesAreDecodedOnceForEachVersion(t *testing.T) {
	for name, noWatchList := range map[string]bool{"streamed list": false, "whole list": true} {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t)
			s.noWatchList = noWatchList
			s.put("a", "1")
			s.put("b", "1")
			var decoded atomic.Int32
			n := start(t, s, func(_ *corev1.Node, text []byte) (ast.Value, error) {
				decoded.Add(1)
				return ast.String(text), nil
			}, Options{OnError: func(err error) { t.Errorf("reported %v", err) }})
			eventually(t, "the first list", func() bool { return n.Ready() == nil })

			lists := s.listCount()
			s.expire()
			eventually(t, "a second list", func() bool { return s.listCount() > lists })
			s.put("b", "2")
			eventually(t, "a change", func() bool { return version(t, n, "b") == "2" })
			if got := decoded.Load(); got != 3 {
				t.Errorf("decoded %d times, want 3: two nodes and one change", got)
			}
		})
	}
}

func TestNodesOutliveOneThatCannotBeDecoded(t *testing.T) {
	s := newAPIServer(t)
	s.put("bad", "1")
	s.put("good", "1")
	reported := make(chan error, 100)
	fault := errors.New("too deep")
	n := start(t, s, func(_ *corev1.Node, text []byte) (ast.Value, error) {
		if strings.Contains(string(text), `"name":"bad"`) && strings.Contains(string(text), `"version":"1"`) {
			return nil, fault
		}
		return ast.String(text), nil
	}, Options{OnError: func(err error) { reported <- err }})
	eventually(t, "the first list", func() bool { return n.Ready() == nil })
	if version(t, n, "good") != "1" {
		t.Error("the good node is not known")
	}
	if _, ok := node(n, "bad"); ok {
		t.Error("the bad node is known")
	}
	if err := <-reported; !errors.Is(err, fault) || !strings.Contains(err.Error(), "node bad") {
		t.Errorf("reported %v, want the node and the cause", err)
	}
	s.put("bad", "2")
	eventually(t, "the bad node's good version", func() bool { return version(t, n, "bad") == "2" })
}

func TestNodesBeforeTheAPIServerIsUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())

	reported := make(chan error, 100)
	n, err := newNodeInformer(configFor("http://user:secret@"+address), asText, Options{OnError: func(err error) { reported <- err }})
	must(t, err)
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "waiting for the API server at") {
		t.Errorf("before Run, Ready returns %v", err)
	}
	run(t, n)
	if err := <-reported; !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("reported %v", err)
	}
	err = n.Ready()
	if err == nil || !strings.Contains(err.Error(), "not yet known") || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), address) {
		t.Errorf("Ready returns %v, want what is missing, the address and the cause", err)
	}
	if n.Status() != n.Ready().Error() || strings.Contains(n.Status(), "secret") {
		t.Errorf("the status is %q, want what Ready returns, without a password", n.Status())
	}
	if !n.lastContact().IsZero() {
		t.Errorf("last contact at %v, want none", n.lastContact())
	}

	s := newAPIServer(t)
	s.put("a", "1")
	listener, err = net.Listen("tcp", address)
	must(t, err)
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	eventually(t, "the nodes, once the API server is up", func() bool { return version(t, n, "a") == "1" && n.Ready() == nil })
	if n.lastContact().IsZero() {
		t.Error("no last contact")
	}

	// Nodes stay known when contact is lost.
	must(t, server.Close())
	eventually(t, "the loss in the status", func() bool { return strings.Contains(n.Status(), ", then: watching nodes") })
	if version(t, n, "a") != "1" || n.Ready() != nil {
		t.Error("nodes were forgotten with the contact")
	}
}

func TestNodesRefusedByTheAPIServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		answer := status(http.StatusForbidden, metav1.StatusReasonForbidden)
		answer.Message = `nodes is forbidden: User "verdict" cannot list resource "nodes"`
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	reported := make(chan error, 100)
	n, err := newNodeInformer(configFor(server.URL), asText, Options{OnError: func(err error) { reported <- err }})
	must(t, err)
	run(t, n)
	if err := <-reported; err == nil {
		t.Error("a refused list was reported as nil")
	}
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), `User "verdict" cannot list`) {
		t.Errorf("Ready returns %v, want that it is forbidden", err)
	}
	if !n.lastContact().IsZero() {
		t.Error("a refusal counts as contact")
	}
}

func TestNodesOfABusyAPIServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	reported := make(chan error, 100)
	n, err := newNodeInformer(configFor(server.URL), asText, Options{OnError: func(err error) { reported <- err }})
	must(t, err)
	run(t, n)
	select {
	case err := <-reported:
		if !strings.Contains(err.Error(), "429") {
			t.Errorf("reported %v", err)
		}
	case <-time.After(patience):
		t.Fatal("nothing reported")
	}
}

func TestNodesRunEndsWhileTheAPIServerIsDown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	host := "http://" + listener.Addr().String()
	must(t, listener.Close())
	refused := make(chan error, 100)
	n, err := newNodeInformer(configFor(host), asText, Options{OnError: func(err error) { refused <- err }})
	must(t, err)
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Run(ctx)
	}()
	// By the third the intervals have grown.
	for range 3 {
		if _, open := <-refused; !open {
			t.Fatal("the server stopped counting")
		}
	}
	began := time.Now()
	cancel()
	<-ended
	if took := time.Since(began); took > endGrace+2*time.Second {
		t.Errorf("Run took %v to end", took)
	}
}

func TestNodesReportNoFaultWhenRunEnds(t *testing.T) {
	// The watch after the first list has no answer yet when Run is told to end.
	s := newAPIServer(t)
	s.noWatchList = true
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); query.Get("watch") == "" || query.Get("sendInitialEvents") == "true" {
			s.ServeHTTP(w, r)
			return
		}
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	n, err := newNodeInformer(configFor(server.URL), asText, Options{OnError: func(err error) { t.Errorf("reported %v", err) }})
	must(t, err)
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logr.Discard()))
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	<-asked
	cancel()
	running.Wait()
	if _, err := n.contact.state(); err != nil {
		t.Errorf("noted %v", err)
	}
}

func TestNodesOfABadConfiguration(t *testing.T) {
	_, err := newNodeInformer(&rest.Config{Host: "https://127.0.0.1", TLSClientConfig: rest.TLSClientConfig{CAFile: "missing/ca.crt"}}, asText, Options{})
	if err == nil || !strings.Contains(err.Error(), "missing/ca.crt") || !strings.Contains(err.Error(), "https://127.0.0.1") {
		t.Errorf("got %v, want the host and the file", err)
	}
}

func TestContact(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	began := now
	c := &contact{now: func() time.Time { return now }}
	expect := func(step string, heardAt time.Time, err error) {
		t.Helper()
		gotAt, gotErr := c.state()
		if !gotAt.Equal(heardAt) || !errors.Is(gotErr, err) {
			t.Errorf("%s: heard at %v, error %v; want %v, %v", step, gotAt, gotErr, heardAt, err)
		}
	}
	fault := errors.New("refused")
	expect("at first", time.Time{}, nil)
	c.failed(fault)
	expect("after a failure", time.Time{}, fault)
	now = began.Add(time.Second)
	c.heard()
	expect("after contact", now, nil)
	now = began.Add(2 * time.Second)
	c.failed(fault)
	expect("after contact and a failure", began.Add(time.Second), fault)
}

func TestNodesStatusTellsTheAgeOfContact(t *testing.T) {
	var offset atomic.Int64
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newAPIServer(t)
	s.put("a", "1")
	n := start(t, s, asText, Options{Now: func() time.Time { return began.Add(time.Duration(offset.Load())) }})
	eventually(t, "the first list", func() bool { return n.Ready() == nil })
	if got := n.Status(); !strings.HasSuffix(got, " 0s ago") {
		t.Errorf("the status is %q", got)
	}
	offset.Store(int64(90 * time.Second))
	if got := n.Status(); !strings.HasSuffix(got, " 1m30s ago") {
		t.Errorf("the status 90 s later is %q", got)
	}
	// Anything the watch brings is contact.
	s.put("a", "2")
	eventually(t, "contact", func() bool { return strings.HasSuffix(n.Status(), " 0s ago") })
}
