package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// recorded is a connection that remembers how reading it ended.
type recorded struct {
	net.Conn
	mu    sync.Mutex
	ended error
	over  chan struct{}
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.ended == nil {
		r.ended = err
		close(r.over)
	}
	return n, err
}

// Close is called when the other side has said that it closes, which TLS does
// before the connection ends.
func (r *recorded) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == nil {
		r.ended = io.EOF
		close(r.over)
	}
	return r.Conn.Close()
}

// end waits for it, and returns how it ended.
func (r *recorded) end(t *testing.T) error {
	t.Helper()
	select {
	case <-r.over:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection does not end")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// client is a caller with a certificate, which keeps its connections.
type client struct {
	*http.Client
	mu          sync.Mutex
	connections []*recorded
}

func newClient(t *testing.T, roots *authority, own issued, protocol string) *client {
	t.Helper()
	c := &client{}
	config := &tls.Config{RootCAs: roots.pool(), Certificates: []tls.Certificate{own.pair(t)}, ClientSessionCache: tls.NewLRUClientSessionCache(10), NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12}
	transport := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: protocol == "h2", MaxIdleConns: 10,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			connection, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			r := &recorded{Conn: connection, over: make(chan struct{})}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.connections = append(c.connections, r)
			return r, nil
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	c.Client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return c
}

func (c *client) first() *recorded {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connections[0]
}

func (c *client) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.connections)
}

// get returns the status and the body of an answer.
func (c *client) get(t *testing.T, url string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	check(t, err)
	response, err := c.Do(request)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), errors.Join(err, response.Body.Close())
}

// slowHandler answers /slow when it is told to.
type slowHandler struct {
	entered chan struct{}
	release chan struct{}
}

func (h slowHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		h.entered <- struct{}{}
		<-h.release
	}
	_, _ = io.WriteString(w, "served by "+r.Proto)
}

// TestConnectionsEndWithTheirAuthority over both protocols: of two authorities
// one is taken away while a caller of each has a request in flight, and an idle
// connection.
func TestConnectionsEndWithTheirAuthority(t *testing.T) {
	for protocol, proto := range map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			server, stays, goes := newAuthority(t, "server"), newAuthority(t, "stays"), newAuthority(t, "goes")
			files := filesIn(t.TempDir())
			putPair(t, files, server.issue(t, "127.0.0.1", nil))
			files.ClientCA = files.Cert + ".ca"
			check(t, os.WriteFile(files.ClientCA, bytes.Join([][]byte{stays.PEM, goes.PEM}, nil), 0o600))
			reloader, observed := run(t, files, Options{})
			h := slowHandler{make(chan struct{}), make(chan struct{})}
			s := reloader.NewServer(ServerOptions{New: func() *http.Server { return &http.Server{Handler: h, ReadHeaderTimeout: time.Minute} }})
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			check(t, err)
			served := make(chan error, 1)
			go func() { served <- s.Serve(listener) }()
			t.Cleanup(func() { _ = s.Close() })
			url := "https://" + listener.Addr().String()

			own := goes.issue(t, "goes", nil)
			stayingIdle, goingIdle := newClient(t, server, stays.issue(t, "stays", nil), protocol), newClient(t, server, own, protocol)
			staying, going := newClient(t, server, stays.issue(t, "stays", nil), protocol), newClient(t, server, own, protocol)
			for _, c := range []*client{stayingIdle, goingIdle} {
				if _, body, err := c.get(t, url); err != nil || body != "served by "+proto {
					t.Fatalf("%q, %v", body, err)
				}
			}
			type answer struct {
				body string
				err  error
			}
			answers := make(chan answer, 2)
			for _, c := range []*client{staying, going} {
				go func() {
					_, body, err := c.get(t, url+"/slow")
					answers <- answer{body, err}
				}()
				<-h.entered
			}

			check(t, os.WriteFile(files.ClientCA, stays.PEM, 0o600))
			observed.success(t)
			if end := goingIdle.first().end(t); !errors.Is(end, io.EOF) {
				t.Errorf("the idle connection ended with %v, want io.EOF", end)
			}
			if _, body, err := goingIdle.get(t, url); err == nil {
				t.Errorf("a new connection of the removed authority is served: %s", body)
			}
			close(h.release)
			for range 2 {
				if a := <-answers; a.err != nil || a.body != "served by "+proto {
					t.Errorf("a request in flight got %q, %v", a.body, a.err)
				}
			}
			if end := going.first().end(t); !errors.Is(end, io.EOF) {
				t.Errorf("the connection with a request in flight ended with %v, want io.EOF", end)
			}
			for _, c := range []*client{stayingIdle, staying} {
				if _, body, err := c.get(t, url); err != nil || body != "served by "+proto || c.count() != 1 {
					t.Errorf("a caller of the authority that stays got %q, %v, over %d connections", body, err, c.count())
				}
			}

			shutdown, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			check(t, s.Shutdown(shutdown))
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Serve returned %v", err)
			}
		})
	}
}

// TestRequestsOfARemovedAuthority that come before their connection has ended
// are not decided.
func TestRequestsOfARemovedAuthority(t *testing.T) {
	server, old := newAuthority(t, "server"), newAuthority(t, "old")
	files := filesIn(t.TempDir())
	putPair(t, files, server.issue(t, "127.0.0.1", nil))
	files.ClientCA = files.Cert + ".ca"
	check(t, os.WriteFile(files.ClientCA, old.PEM, 0o600))
	reloader, err := NewReloader(files, Options{})
	check(t, err)
	h := slowHandler{make(chan struct{}), make(chan struct{})}
	s := reloader.NewServer(ServerOptions{New: func() *http.Server { return &http.Server{Handler: h, ReadHeaderTimeout: time.Minute} }})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	url := "https://" + listener.Addr().String()
	own := old.issue(t, "old", nil)
	callers := []*client{newClient(t, server, own, "http/1.1"), newClient(t, server, own, "h2")}
	for _, caller := range callers {
		_, _, err = caller.get(t, url)
		check(t, err)
	}

	check(t, os.WriteFile(files.ClientCA, newAuthority(t, "new").PEM, 0o600))
	reloader.Look(nil)
	for _, caller := range slices.Concat(callers, callers) {
		if code, body, err := caller.get(t, url); err == nil && code != http.StatusForbidden {
			t.Errorf("got %d, %s; want a 403, or no connection", code, body)
		}
	}
}
