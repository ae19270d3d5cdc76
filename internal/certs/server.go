package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves HTTPS with the files of a Reloader. When an authority is taken
// out of the client CA bundle it ends the connections of those callers that no
// other one vouches for: requests in flight are answered, HTTP/2 connections get
// a GOAWAY, and nothing more is served on them. Other connections stay.
type Server struct {
	reloader *Reloader
	template ServerOptions
	config   *tls.Config

	mu        sync.Mutex
	groups    map[string]*group
	ending    map[*group]bool // that are not trusted any more
	listeners map[net.Listener]bool
	closed    bool
	wait      sync.WaitGroup // for what Serve started
}

// ServerOptions are what a Server needs. New is required.
type ServerOptions struct {
	// New makes a server that is ready to Serve connections over TLS; its TLSConfig
	// is set later. It is called for each set of authorities that callers have.
	New func() *http.Server
	// Untrusted answers requests that still come on a connection that is being
	// ended. Nil answers 403.
	Untrusted http.Handler
	// HandshakeTimeout bounds a TLS handshake; 0 for never.
	HandshakeTimeout time.Duration
}

// settled is how long connections that are being ended may stay idle before they
// are closed: HTTP/2 connections end by themselves a second after their GOAWAY.
const settled = 1500 * time.Millisecond

// NewServer returns a server for the files. A Reloader has one Server.
func (r *Reloader) NewServer(options ServerOptions) *Server {
	if options.Untrusted == nil {
		options.Untrusted = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			http.Error(w, "the authority of your certificate is no longer trusted", http.StatusForbidden)
		})
	}
	s := &Server{
		reloader: r, template: options, config: r.tlsConfig(),
		groups: map[string]*group{}, ending: map[*group]bool{}, listeners: map[net.Listener]bool{},
	}
	tell := s.endUntrusted
	r.trustChanged.Store(&tell)
	return s
}

// authorities are those of a client CA bundle, by SHA-256.
type authorities map[[sha256.Size]byte]bool

// group is the connections of callers whom the same authorities vouch for, and
// the server of these.
type group struct {
	server    *http.Server
	listener  *handed
	anchors   []([sha256.Size]byte)
	untrusted atomic.Bool
}

// trusted reports whether one of the authorities still vouches for the callers.
func (g *group) trusted(by authorities) bool {
	return by == nil || slices.ContainsFunc(g.anchors, func(anchor [sha256.Size]byte) bool { return by[anchor] })
}

// anchorsOf are the authorities at the ends of verified chains, each once, sorted.
func anchorsOf(chains [][]*x509.Certificate) [][sha256.Size]byte {
	found := map[string]bool{}
	for _, chain := range chains {
		sum := sha256.Sum256(chain[len(chain)-1].Raw)
		found[string(sum[:])] = true
	}
	var out [][sha256.Size]byte
	for _, each := range slices.Sorted(maps.Keys(found)) {
		out = append(out, [sha256.Size]byte([]byte(each)))
	}
	return out
}

// Serve answers the connections of the listener until Shutdown or Close, and
// returns http.ErrServerClosed then.
func (s *Server) Serve(listener net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return http.ErrServerClosed
	}
	s.listeners[listener] = true
	s.mu.Unlock()
	const slowest = time.Second
	for delay := time.Duration(0); ; {
		connection, err := listener.Accept()
		if err == nil {
			delay = 0
			s.wait.Go(func() { s.welcome(connection) })
			continue
		}
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		var temporary interface{ Temporary() bool }
		switch {
		case closed:
			return http.ErrServerClosed
		case !errors.As(err, &temporary) || !temporary.Temporary():
			return err
		}
		// Such as too many open files, as http.Server does.
		delay = min(max(2*delay, 5*time.Millisecond), slowest)
		time.Sleep(delay)
	}
}

// welcome does the handshake, and hands the connection to the server of its group.
func (s *Server) welcome(connection net.Conn) {
	secured := tls.Server(connection, s.config)
	if timeout := s.template.HandshakeTimeout; timeout > 0 {
		_ = connection.SetDeadline(time.Now().Add(timeout))
	}
	if err := secured.HandshakeContext(context.Background()); err != nil {
		s.refused(connection, err)
		return
	}
	_ = connection.SetDeadline(time.Time{})
	g := s.groupOf(anchorsOf(secured.ConnectionState().VerifiedChains))
	if g == nil || !g.listener.hand(secured) {
		_ = secured.Close()
	}
}

// refused closes a connection without a handshake, and logs it as http.Server does.
func (s *Server) refused(connection net.Conn, err error) {
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && header.Conn != nil && isHTTP(header.RecordHeader) {
		_, _ = header.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"))
		err = errors.New("client sent an HTTP request to an HTTPS server")
	}
	if log := s.template.New().ErrorLog; log != nil {
		log.Printf("http: TLS handshake error from %s: %v", connection.RemoteAddr(), err)
	}
	_ = connection.Close()
}

func isHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// groupOf is the group of those authorities, nil when none is trusted any more.
func (s *Server) groupOf(anchors [][sha256.Size]byte) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	var key []byte
	for _, anchor := range anchors {
		key = append(key, anchor[:]...)
	}
	if g := s.groups[string(key)]; g != nil {
		return g
	}
	g := &group{server: s.template.New(), listener: newHanded(), anchors: anchors}
	if s.closed || !g.trusted(s.reloader.trusted()) {
		return nil
	}
	g.server.TLSConfig = s.config
	handler := g.server.Handler
	g.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.untrusted.Load() {
			s.template.Untrusted.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
	s.groups[string(key)] = g
	s.wait.Go(func() { _ = g.server.Serve(g.listener) }) // ends with Shutdown or Close
	return g
}

// endUntrusted ends the connections of callers whose certificates no authority in now has signed.
func (s *Server) endUntrusted(now authorities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, g := range s.groups {
		if g.trusted(now) {
			continue
		}
		delete(s.groups, key)
		s.ending[g] = true
		g.untrusted.Store(true)
		g.listener.linger(settled)
		s.wait.Go(func() {
			// Each request is bounded by the server's own timeouts, or Close.
			_ = g.server.Shutdown(context.Background())
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.ending, g)
		})
	}
}

// stop makes Serve return, and gives all servers.
func (s *Server) stop() []*group {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for listener := range s.listeners {
		_ = listener.Close()
	}
	clear(s.listeners)
	return slices.AppendSeq(slices.Collect(maps.Values(s.groups)), maps.Keys(s.ending))
}

// Shutdown is that of http.Server, for all connections.
func (s *Server) Shutdown(ctx context.Context) error {
	all := s.stop()
	failed := make([]error, len(all))
	var shutdowns sync.WaitGroup
	for i, g := range all {
		shutdowns.Go(func() { failed[i] = g.server.Shutdown(ctx) })
	}
	shutdowns.Wait()
	return errors.Join(failed...)
}

// Close is that of http.Server, for all connections.
func (s *Server) Close() error {
	var failed []error
	for _, g := range s.stop() {
		g.listener.linger(0)
		failed = append(failed, g.server.Close())
	}
	return errors.Join(failed...)
}

// handed is a listener whose connections another goroutine accepts.
type handed struct {
	connections chan net.Conn
	done        chan struct{}
	close       sync.Once
	after       atomic.Int64 // nanoseconds, until Accept says that it is closed
}

func newHanded() *handed {
	return &handed{connections: make(chan net.Conn), done: make(chan struct{})}
}

// hand gives a connection to Accept; false when the listener is closed.
func (h *handed) hand(connection net.Conn) bool {
	select {
	case <-h.done:
		return false
	default:
	}
	select {
	case h.connections <- connection:
		return true
	case <-h.done:
		return false
	}
}

// linger puts off the end of Accept: http.Server.Shutdown waits for that before
// it closes idle connections, having told them to end.
func (h *handed) linger(d time.Duration) { h.after.Store(int64(d)) }

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case connection := <-h.connections:
		return connection, nil
	case <-h.done:
		time.Sleep(time.Duration(h.after.Load()))
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handed) Close() error {
	h.close.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }
