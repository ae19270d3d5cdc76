package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/identity"
)

type unobserved struct{}

func (unobserved) RevisionLoaded(*policy.Revision, time.Duration) {}
func (unobserved) RevisionRefused(error)                          {}

func newTestMetrics() *Metrics { return NewMetrics(prometheus.NewRegistry()) }

// nobodyKnown knows no token.
type nobodyKnown struct{}

func (nobodyKnown) Verify(context.Context, string) (identity.Identity, error) {
	return identity.Identity{}, identity.ErrUnknownToken
}
func (nobodyKnown) Generation() uint64 { return 0 }

// endpointOf is what serves path, without the router before it.
func endpointOf(tb testing.TB, path, source string) *endpoint {
	tb.Helper()
	e := policy.NewEngine(policy.Options{Cache: policy.CacheOptions{Bytes: 1 << 20, Entries: 100}}, unobserved{})
	if err := e.Load(tb.Context(), policy.Content{Modules: []policy.Module{{Path: "p.rego", Source: []byte(source)}}}); err != nil {
		tb.Fatal(err)
	}
	handler := New(Options{
		Revisions: e, Verifier: nobodyKnown{}, Metrics: newTestMetrics(), Log: zap.NewNop(),
		OnError: OnErrorDeny, OnUnavailable: OnUnavailable503,
		Cache:       CacheOptions{Bytes: 1 << 20, Entries: 100},
		MaxInFlight: 100, ReviewBytes: 1 << 20, SchedulingBytes: 64 << 20,
		DecisionTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, SchedulingTimeout: 10 * time.Second,
	})
	for _, route := range handler.(chi.Routes).Routes() {
		if route.Pattern == path {
			return route.Handlers[http.MethodPost].(*endpoint)
		}
	}
	tb.Fatalf("nothing serves %s", path)
	return nil
}

// sink is a ResponseWriter that keeps what it is given without a copy.
type sink struct {
	header http.Header
	code   int
	given  [][]byte
	err    error
}

func (s *sink) Header() http.Header  { return s.header }
func (s *sink) WriteHeader(code int) { s.code = code }
func (s *sink) Write(b []byte) (int, error) {
	if s.given != nil {
		s.given = append(s.given, b)
	}
	return len(b), s.err
}

func request(tb testing.TB, path string, body io.Reader) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, path, body)
	r.Header.Set("Content-Type", "application/json")
	return r
}

const (
	aliceMay = "package kubernetes.authorization\n\nallow contains \"alice may\" if input.spec.user == \"alice\"\n"
	aliceGet = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"alice","resourceAttributes":{"verb":"get"}}}`
	anyNode  = "package kubernetes.scheduling\n\nreject contains \"full\" if input.node.metadata.labels.full\n"
)

// TestAKeptAnswerAllocatesNothing, behind the router: most requests are such.
func TestAKeptAnswerAllocatesNothing(t *testing.T) {
	e := endpointOf(t, "/authorize", aliceMay)
	body := bytes.NewReader(nil)
	r, w := request(t, "/authorize?timeout=10s", nil), &sink{header: http.Header{}}
	r.Body, r.ContentLength = io.NopCloser(body), int64(len(aliceGet))
	text := []byte(aliceGet)
	ask := func() {
		body.Reset(text)
		e.ServeHTTP(w, r)
	}
	ask()
	ask()
	got := testing.AllocsPerRun(1000, ask)
	if w.code != http.StatusOK {
		t.Fatalf("code is %d", w.code)
	}
	if hits := counted(t, e.Metrics, "verdict_cache_hits_total"); hits < 1000 {
		t.Fatalf("%v answers were kept ones: it is others that were measured", hits)
	}
	// The race detector makes pools forget a part of what they are given.
	if got >= 2 {
		t.Errorf("%v allocations, want none", got)
	}
}

// counted is the sum of a counter over its labels.
func counted(t *testing.T, m *Metrics, name string) (sum float64) {
	t.Helper()
	families, err := m.registerer.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// TestACallLeavesNothingToTheNext looks into the calls that are used again.
func TestACallLeavesNothingToTheNext(t *testing.T) {
	const secret = "hunter2-hunter2"
	whole := `{"Pod":{"metadata":{"name":"` + secret + `"}},"Nodes":{"items":[{"metadata":{"name":"` + secret + `"}}]}}`
	for name, test := range map[string]struct {
		path, policy, body string
		length             int64
		err                error // of the body, at its end
	}{
		"decided":            {path: "/authorize", policy: aliceMay, body: strings.ReplaceAll(aliceGet, "alice", secret)},
		"refused":            {path: "/authorize", policy: aliceMay, body: `{"` + secret},
		"larger than said":   {path: "/authorize", policy: aliceMay, body: strings.Repeat(secret, 10_000), length: -1},
		"too large":          {path: "/authorize", policy: aliceMay, body: strings.Repeat(secret, 100_000), length: -1},
		"broken off":         {path: "/authorize", policy: aliceMay, body: secret, length: 1000, err: io.ErrUnexpectedEOF},
		"nodes":              {path: "/scheduler/filter", policy: anyNode, body: whole},
		"the token refused":  {path: "/authenticate", policy: aliceMay, body: `{"kind":"TokenReview","spec":{"token":"` + secret + `"}}`},
		"a wrong media type": {path: "/authorize?timeout=x", policy: aliceMay, body: secret},
	} {
		t.Run(name, func(t *testing.T) {
			path, _, _ := strings.Cut(test.path, "?")
			e := endpointOf(t, path, test.policy)
			for range 50 {
				var body io.Reader = strings.NewReader(test.body)
				if test.err != nil {
					body = io.MultiReader(body, failing{test.err})
				}
				r := request(t, test.path, body)
				if r.ContentLength = int64(len(test.body)); test.length != 0 {
					r.ContentLength = test.length
				}
				e.ServeHTTP(&sink{header: http.Header{}}, r)
				c := calls.Get().(*call)
				buffer := c.buffer
				c.buffer = nil
				if !reflect.ValueOf(*c).IsZero() {
					t.Fatalf("the next call begins with %+v", *c)
				}
				if len(buffer) != 0 || bytes.Contains(buffer[:cap(buffer)], []byte(secret)) {
					t.Fatal("the buffer holds something of the call before")
				}
				c.buffer = buffer
				calls.Put(c)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestBytesOfALostAnswerStay: whoever writes may keep reading them after a
// write that failed, as HTTP/2 does when a stream is reset.
func TestBytesOfALostAnswerStay(t *testing.T) {
	e := endpointOf(t, "/scheduler/filter", anyNode)
	large := `{"metadata":{"name":"n"},"x":"` + strings.Repeat("x", together+1) + `"}`
	body := `{"Pod":{},"Nodes":{"items":[` + large + `]}}`
	w := &sink{header: http.Header{}, given: [][]byte{}, err: errors.New("stream reset")}
	e.ServeHTTP(w, request(t, "/scheduler/filter", strings.NewReader(body)))
	if len(w.given) < 2 {
		t.Fatalf("the answer was written in %d parts", len(w.given))
	}
	for range 10 {
		e.ServeHTTP(&sink{header: http.Header{}}, request(t, "/scheduler/filter", strings.NewReader(fmt.Sprintf(`{"Pod":{"x":%q}}`, strings.Repeat("y", len(body))))))
	}
	if string(w.given[1]) != large {
		t.Error("what was handed to the connection changed afterwards")
	}
}
