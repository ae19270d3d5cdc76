package remote_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/httpsource"
	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/introspection"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/remote/remotetest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

const (
	oddToken  = "tok_odd.of.one-user"
	goodToken = "tok_good"
)

// asked are sources of one server, by the form that an answer about oddToken has
// to have in order to be looked at. The server answers goodToken well.
type asked struct {
	path   string // of the request whose answer is odd
	header map[string]string
	good   func(w http.ResponseWriter, r *http.Request)
	source func(t *testing.T, server *httptest.Server, timeout time.Duration) remote.Source
	// subject and until are members of an answer, for what is wrong with them.
	subject, until, open string
	// throttles says that the limit is one of Verdict's own, not of the token's user.
	throttles bool
}

func bearerOf(r *http.Request) string {
	if r.Method == http.MethodPost {
		return r.FormValue("token")
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func askedSources() map[string]asked {
	json := map[string]string{"Content-Type": "application/json"}
	say := func(answers map[string]string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answers[r.URL.Path])
		}
	}
	return map[string]asked{
		"introspection": {
			path: "/introspect", header: json, subject: "sub", until: "exp", open: `"active":true,`, throttles: true,
			good: say(map[string]string{"/introspect": `{"active":true,"sub":"alice"}`}),
			source: func(t *testing.T, server *httptest.Server, timeout time.Duration) remote.Source {
				secret := filepath.Join(t.TempDir(), "secret")
				identitytest.Write(t, secret, "x")
				source, err := introspection.New(introspection.Options{
					Name: "remote", URL: server.URL + "/introspect", ClientID: "a", ClientSecretFile: secret, Timeout: timeout,
					Tokens: remote.Tokens{Prefixes: []string{"tok_"}},
				}, remotetest.ClientOf(t, server, timeout))
				identitytest.Must(t, err)
				return source
			},
		},
		"http": {
			path: "/whoami", header: json, subject: "id", until: "until",
			good: say(map[string]string{"/whoami": `{"id":"alice"}`}),
			source: func(t *testing.T, server *httptest.Server, timeout time.Duration) remote.Source {
				source, err := httpsource.New(httpsource.Options{
					Name: "remote", BaseURL: server.URL, AllowedHosts: []string{strings.TrimPrefix(server.URL, "https://")},
					Requests: []httpsource.Request{{URL: "/whoami", Headers: map[string]string{"Authorization": "Bearer {token}"}}},
					Subject:  "id", Expires: "until", Timeout: timeout, Tokens: remote.Tokens{Prefixes: []string{"tok_"}},
				}, remotetest.ClientOf(t, server, timeout))
				identitytest.Must(t, err)
				return source
			},
		},
		"github": {
			path: "/user", header: json, subject: "id",
			good: say(map[string]string{"/user": `{"id":1}`, "/user/orgs": `[]`, "/user/teams": `[]`}),
			source: func(t *testing.T, server *httptest.Server, timeout time.Duration) remote.Source {
				options, err := httpsource.Options{
					Name: "remote", BaseURL: server.URL, AllowedHosts: []string{strings.TrimPrefix(server.URL, "https://")},
					Timeout: timeout, Tokens: remote.Tokens{Prefixes: []string{"tok_"}},
				}.WithPreset("github")
				identitytest.Must(t, err)
				source, err := httpsource.New(options, remotetest.ClientOf(t, server, timeout))
				identitytest.Must(t, err)
				return source
			},
		},
	}
}

// oddAnswers are what a host may say of oddToken, by why it is odd.
func oddAnswers(a asked) map[string]http.HandlerFunc {
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	status := func(code int, text string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		}
	}
	odd := map[string]http.HandlerFunc{
		"nothing":                  body(""),
		"a page for people":        status(200, "<html>be back soon</html>", "Content-Type", "text/html"),
		"half a document":          body(`{` + a.open + `"` + a.subject + `":"al`),
		"two documents":            body(`{` + a.open + `"` + a.subject + `":"a"}{}`),
		"a list":                   body(`["alice"]`),
		"a string":                 body(`"alice"`),
		"null":                     body(`null`),
		"an empty object":          body(`{}`),
		"no subject":               body(`{` + a.open + `"x":1}`),
		"a subject twice":          body(`{` + a.open + `"` + a.subject + `":"a","` + a.subject + `":"b"}`),
		"no UTF-8":                 body("{" + a.open + `"` + a.subject + "\":\"a\xff\"}"),
		"half a surrogate pair":    body(`{` + a.open + `"` + a.subject + `":"\ud800"}`),
		"nested deeply":            body(`{` + a.open + `"` + a.subject + `":"a","x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`),
		"a subject with the token": body(`{` + a.open + `"` + a.subject + `":"x` + oddToken + `"}`),
		"far too much":             body(`{` + a.open + `"` + a.subject + `":"a","groups":["` + strings.Repeat("x", 2<<20) + `"]}`),
		"a number out of range":    body(`{` + a.open + `"` + a.subject + `":1e999}`),
		"another content":          status(200, `sub=alice`, "Content-Type", "application/x-www-form-urlencoded"),
		"a strange encoding":       status(200, "no gzip", "Content-Encoding", "gzip"),
		"a body that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{`+a.open)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"a body that does not end": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{`+a.open)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"a header that is too long": status(200, `{}`, "X-Scopes", strings.Repeat("x", 2*remote.MaxHeaderBytes)),
	}
	for _, code := range []int{201, 202, 204, 206, 301, 302, 307, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 414, 415, 418, 422, 431, 451, 499} {
		odd[fmt.Sprintf("status %d", code)] = status(code, `{"error":"invalid_request"}`, "Location", "/elsewhere")
	}
	for name, value := range map[string]string{"a list": `["a"]`, "an object": `{"a":1}`, "true": "true", "null": "null", "a fraction": "1.5", "empty": `""`} {
		odd["a subject that is "+name] = body(`{` + a.open + `"` + a.subject + `":` + value + `}`)
		if a.until != "" && name != "null" && name != "a fraction" {
			odd["an expiry that is "+name] = body(`{` + a.open + `"` + a.subject + `":"a","` + a.until + `":` + value + `}`)
		}
	}
	if a.open != "" {
		for _, member := range []string{"active", "exp", "nbf", "aud", "token_type", "cnf"} {
			for _, value := range []string{`{"a":1}`, `[{}]`, `"soon"`, "-1", "1e300", "1"} {
				if member == "active" || member+value != "cnf" {
					odd[member+" is "+value] = body(`{"active":true,"sub":"a","` + member + `":` + value + `}`)
				}
			}
		}
	}
	return odd
}

// TestOneTokensAnswerIsItsOwn has a host answer oddly about one token, more often
// than the circuit stands, and holds that others are verified as before.
func TestOneTokensAnswerIsItsOwn(t *testing.T) {
	for kind, a := range askedSources() {
		var odd atomic.Pointer[http.HandlerFunc]
		server := identitytest.TLSServer(t, func(w http.ResponseWriter, r *http.Request) {
			if bearerOf(r) != oddToken || r.URL.Path != a.path {
				a.good(w, r)
				return
			}
			for name, value := range a.header {
				w.Header().Set(name, value)
			}
			(*odd.Load())(w, r)
		})
		answers := oddAnswers(a)
		if kind == "github" {
			delete(answers, "a subject that is a fraction") // below with the rest of http
			answers["pages without an end"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", `</user>; rel="next"`)
				_, _ = io.WriteString(w, `[1]`)
			}
			for name, code := range map[string]int{"over the user's limit, 403": 403, "over the user's limit, 429": 429} {
				answers[name] = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("X-RateLimit-Remaining", "0")
					w.WriteHeader(code)
				}
			}
		}
		for name, answer := range answers {
			t.Run(kind+": "+name, func(t *testing.T) {
				odd.Store(&answer)
				timeout := identitytest.Patience / 4
				if name == "a body that does not end" {
					timeout = 100 * time.Millisecond
				}
				b := breakerOf(t, a.source(t, server, timeout))
				for range 2 * remote.DefaultFaults {
					verified, err := b.Verify(t.Context(), sources.ParseToken(oddToken))
					if err == nil && name != "a number out of range" && !strings.HasSuffix(name, " is 1") && !strings.Contains(name, `is "soon"`) && !strings.Contains(name, "is -1") && !strings.Contains(name, "is 1e300") {
						t.Fatalf("it is taken as %+v", verified)
					}
					if err != nil && strings.Contains(err.Error(), oddToken) {
						t.Fatalf("the error holds the token: %v", err)
					}
				}
				if cause := b.Open(); cause != nil {
					t.Fatalf("the circuit is open: %v", cause)
				}
				if b.Faults() > 0 {
					t.Errorf("%d faults are counted", b.Faults())
				}
				if _, err := b.Verify(t.Context(), sources.ParseToken(goodToken)); err != nil {
					t.Errorf("another token: %v", err)
				}
			})
		}
	}
}

// breakerOf is a running Breaker.
func breakerOf(t *testing.T, source remote.Source) *remote.Breaker {
	t.Helper()
	b := remote.NewBreaker(source, sources.NewMetrics(nil), remote.BreakerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	for !b.Running() {
		time.Sleep(time.Millisecond)
	}
	return b
}

// TestHostsThatFailOpenTheCircuit holds what counts.
func TestHostsThatFailOpenTheCircuit(t *testing.T) {
	for kind, a := range askedSources() {
		fails := map[string]http.HandlerFunc{
			"does not answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			"hangs up":        func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		}
		for _, code := range []int{500, 502, 503, 504, 529, 599} {
			fails[fmt.Sprintf("status %d", code)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
		}
		fails["status 500 that breaks off"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusInternalServerError)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		if a.throttles {
			fails["status 429"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }
		}
		for name, fail := range fails {
			t.Run(kind+": "+name, func(t *testing.T) {
				timeout := identitytest.Patience / 4
				if name == "does not answer" {
					timeout = 50 * time.Millisecond
				}
				_ = opens(t, a.source(t, identitytest.TLSServer(t, fail), timeout))
			})
		}
		t.Run(kind+": gone", func(t *testing.T) {
			server := identitytest.TLSServer(t, a.good)
			source := a.source(t, server, 0)
			server.Close()
			if err := opens(t, source); !isUnreachable(err) {
				t.Errorf("%v is not said to be out of reach", err)
			}
		})
		t.Run(kind+": of an authority that is not trusted", func(t *testing.T) {
			trusted, other := identitytest.TLSServer(t, a.good), identitytest.MutualServer(t, identitytest.NewCA(t), nil, a.good)
			trusted.URL = other.URL
			if err := opens(t, a.source(t, trusted, 0)); !isUnreachable(err) {
				t.Errorf("%v is not said to be out of reach", err)
			}
		})
	}
}

func isUnreachable(err error) bool { return errors.Is(err, identity.ErrUnreachable) }

// opens asks until the circuit is open, and returns the last fault.
func opens(t *testing.T, source remote.Source) (last error) {
	t.Helper()
	b := breakerOf(t, source)
	for i := range remote.DefaultFaults {
		if cause := b.Open(); cause != nil {
			t.Fatalf("open after %d faults: %v", i, cause)
		}
		_, last = b.Verify(t.Context(), sources.ParseToken(goodToken))
		if last == nil || errors.Is(last, identity.ErrUnknownToken) {
			t.Fatalf("got %v, want a fault", last)
		}
	}
	if b.Open() == nil {
		t.Fatalf("not open after %d times %v", remote.DefaultFaults, last)
	}
	return last
}

// TestIntrospectionOnAConnectionThatWasClosed has a server close connections that
// were kept for the next request, as that request comes.
func TestIntrospectionOnAConnectionThatWasClosed(t *testing.T) {
	for name, source := range askedSources() {
		t.Run(name+", HTTP/1.1", func(t *testing.T) {
			var requests, dropped atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				source.good(w, r)
			}))
			server.Config.ErrorLog = identitytest.Quiet()
			listener := &closing{dropped: &dropped}
			server.StartTLS()
			backend := server.Listener.Addr().String()
			identitytest.Must(t, listener.listen(t, backend))
			direct := server.URL
			server.URL = "https://" + listener.address
			s := source.source(t, server, 0)
			server.URL = direct
			t.Cleanup(server.Close)
			for i := range 3 {
				if _, err := s.Verify(t.Context(), sources.ParseToken(goodToken)); err != nil {
					t.Fatalf("verification %d: %v", i, err)
				}
				listener.closeAfterNext.Store(true)
			}
			if dropped.Load() == 0 {
				t.Error("no connection was closed as a request came")
			}
		})
		t.Run(name+", HTTP/2", func(t *testing.T) {
			server := identitytest.TLSServer(t, source.good)
			s := source.source(t, server, 0)
			_, err := s.Verify(t.Context(), sources.ParseToken(goodToken))
			identitytest.Must(t, err)
			server.CloseClientConnections()
			_, err = s.Verify(t.Context(), sources.ParseToken(goodToken))
			identitytest.Must(t, err)
		})
	}
}

// closing passes connections on to a server, and closes one as soon as a further
// request comes on it, of which the server hears nothing.
type closing struct {
	address        string
	closeAfterNext atomic.Bool
	dropped        *atomic.Int32
}

func (c *closing) listen(t *testing.T, backend string) error {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.address = listener.Addr().String()
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.pass(t.Context(), client, backend) })
		}
	})
	return nil
}

func (c *closing) pass(ctx context.Context, client net.Conn, backend string) {
	defer func() { _ = client.Close() }()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", backend)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
	from := bufio.NewReader(client)
	for buffer := make([]byte, 16<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if c.closeAfterNext.CompareAndSwap(true, false) {
			c.dropped.Add(1)
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}
