package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/identity"
)

// exchange posts one body after the other to a handler, without a network: what
// is measured is the work behind the router, and the router.
type exchange struct {
	header  http.Header
	request *http.Request
	body    bytes.Reader
	code    int
	length  int
}

func newExchange(tb testing.TB, path string) *exchange {
	tb.Helper()
	e := &exchange{header: http.Header{}}
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	request.Header["Content-Type"] = []string{"application/json"}
	e.request = request
	return e
}

func (e *exchange) Header() http.Header         { return e.header }
func (e *exchange) WriteHeader(code int)        { e.code = code }
func (e *exchange) Write(b []byte) (int, error) { e.length += len(b); return len(b), nil }

func (e *exchange) post(tb testing.TB, handler http.Handler, body []byte) {
	e.body.Reset(body)
	e.request.Body, e.request.ContentLength = io.NopCloser(&e.body), int64(len(body))
	e.length = 0
	handler.ServeHTTP(e, e.request)
	if e.code != http.StatusOK {
		tb.Fatalf("code is %d", e.code)
	}
}

func cachingService(tb testing.TB, modules ...string) *service {
	tb.Helper()
	return newService(tb, nil, func(o *handlers.Options) {
		o.Revisions = engine(tb, policy.Options{Cache: policy.CacheOptions{Bytes: 64 << 20, Entries: 100_000}}, modules...)
		o.Cache = handlers.CacheOptions{Bytes: 64 << 20, Entries: 100_000}
		o.ReadTimeout = o.DecisionTimeout
	})
}

const benchReview = `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{"resourceAttributes":{"namespace":"team-001","verb":"get","version":"v1","resource":"pods","name":"pods-3"},"user":"alice","groups":["group-00033","group-00544","group-00123","group-00900","system:authenticated"],"uid":"00000012-0000-4000-8000-000000000012","extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=%064d"]}},"status":{"allowed":false}}`

func BenchmarkSubjectAccessReview(b *testing.B) {
	b.Run("the same bytes", func(b *testing.B) {
		s, e, body := cachingService(b, allowAlice), newExchange(b, "/authorize"), fmt.Appendf(nil, benchReview, 1)
		e.post(b, s, body)
		b.ReportAllocs()
		for b.Loop() {
			e.post(b, s, body)
		}
	})
	b.Run("the same footprint", func(b *testing.B) {
		s, e := cachingService(b, allowAlice), newExchange(b, "/authorize")
		b.ReportAllocs()
		var body []byte
		for i := 0; b.Loop(); i++ {
			body = fmt.Appendf(body[:0], benchReview, i)
			e.post(b, s, body)
		}
	})
	b.Run("nothing but the router", func(b *testing.B) {
		s, e := cachingService(b, allowAlice), newExchange(b, "/nowhere")
		b.ReportAllocs()
		for b.Loop() {
			e.body.Reset(nil)
			s.ServeHTTP(e, e.request)
		}
	})
}

const byLabelsAndTaints = `package kubernetes.scheduling

reject contains "tainted" if {
	some taint in input.node.spec.taints
	not tolerated(taint)
}

tolerated(taint) if {
	some toleration in input.pod.spec.tolerations
	toleration.key == taint.key
}

unresolvable contains "wrong pool" if input.node.metadata.labels.pool != input.pod.spec.nodeSelector.pool
`

func benchNode(i int) string {
	return fmt.Sprintf(`{"metadata":{"name":"worker-%05[1]d","uid":"%08[1]d-0000-4000-8000-000000000000","resourceVersion":"%[1]d","labels":{"kubernetes.io/hostname":"worker-%05[1]d","pool":"p%[2]d"}},"spec":{"taints":[{"key":"k%[3]d"}]},"status":{}}`, i, i%10, i%5)
}

// BenchmarkFilter decides 5,000 nodes in 50 classes; the pod's name is new in
// every call.
func BenchmarkFilter(b *testing.B) {
	var nodes []string
	for i := range 5000 {
		nodes = append(nodes, benchNode(i))
	}
	known := newCluster(b, nodes...)
	var names, whole bytes.Buffer
	for i, node := range nodes {
		if i > 0 {
			names.WriteByte(',')
			whole.WriteByte(',')
		}
		fmt.Fprintf(&names, `"worker-%05d"`, i)
		whole.WriteString(node)
	}
	for _, form := range []struct{ name, tail string }{
		{"names", `"Nodes":null,"NodeNames":[` + names.String() + `]}`},
		{"whole nodes", `"Nodes":{"metadata":{},"items":[` + whole.String() + `]},"NodeNames":null}`},
	} {
		b.Run(form.name, func(b *testing.B) {
			s := newService(b, nil, func(o *handlers.Options) {
				o.Revisions = engine(b, policy.Options{Cache: policy.CacheOptions{Bytes: 64 << 20, Entries: 100_000}}, byLabelsAndTaints)
				o.Cache = handlers.CacheOptions{Bytes: 64 << 20, Entries: 100_000}
				o.Nodes = known
				o.ReadTimeout = o.DecisionTimeout
			})
			e := newExchange(b, "/scheduler/filter")
			b.ReportAllocs()
			var body []byte
			for i := 0; b.Loop(); i++ {
				body = fmt.Appendf(body[:0], `{"Pod":{"metadata":{"name":"pod-%d"},"spec":{"nodeSelector":{"pool":"p%d"},"tolerations":[{"key":"k1"}]}},`, i, i%3)
				body = append(body, form.tail...)
				e.post(b, s, body)
			}
		})
	}
}

// BenchmarkTokenReview asks about one token again and again: its answer is kept, or
// nothing is.
func BenchmarkTokenReview(b *testing.B) {
	const review = `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"token":"0123456789abcdef0123456789abcdef"},"status":{"user":{}}}`
	alice := &verifier{verify: func(context.Context, string) (identity.Identity, error) {
		return identity.Identity{Source: "corp", Subject: "alice"}, nil
	}}
	const names = "package kubernetes.authentication\n\nuser.username := input.identity.subject\n\nuser.groups contains \"staff\"\n"
	for name, budget := range map[string]handlers.CacheOptions{"the same bytes": {Bytes: 64 << 20, Entries: 100_000}, "nothing kept": {}} {
		b.Run(name, func(b *testing.B) {
			s := newService(b, []string{names}, func(o *handlers.Options) {
				o.Verifier, o.Cache, o.ReadTimeout = alice, budget, o.DecisionTimeout
			})
			e, body := newExchange(b, "/authenticate?timeout=10s"), []byte(review)
			b.ReportAllocs()
			for b.Loop() {
				e.post(b, s, body)
			}
		})
	}
}
