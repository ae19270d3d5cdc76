package handlers_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/verdict-dev/verdict/handlers"
)

// endpoint is a webhook and a request it answers with 200. inject goes where
// the decoded document has an object: `"x":1,` adds a member to it.
type endpoint struct {
	path  string
	valid func(inject string) string
	limit int64
}

const (
	reviewLimit     = 1 << 20
	bindingLimit    = 256 << 10
	schedulingLimit = 64 << 20
)

func endpoints() []endpoint {
	tokenReview := func(inject string) string {
		return `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{` + inject + `"token":"` + secretToken + `"}}`
	}
	accessReview := func(inject string) string {
		return `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{` + inject + `"user":"a","nonResourceAttributes":{"path":"/","verb":"get"}}}`
	}
	inPod := func(inject string) string {
		return `{"Pod":{` + inject + `"metadata":{"name":"p"}},"Nodes":null,"NodeNames":["fit"]}`
	}
	inVictim := func(inject string) string {
		return `{"Pod":{"metadata":{"name":"p"}},"NodeNameToVictims":{"fit":{"Pods":[{` + inject + `"metadata":{"uid":"u"}}],"NumPDBViolations":0}},"NodeNameToMetaVictims":null}`
	}
	inMetaVictim := func(inject string) string {
		return `{"Pod":{"metadata":{"name":"p"}},"NodeNameToVictims":null,"NodeNameToMetaVictims":{"fit":{"Pods":[{` + inject + `"UID":"u"}],"NumPDBViolations":0}}}`
	}
	binding := func(inject string) string {
		return `{` + inject + `"PodName":"p","PodNamespace":"default","PodUID":"uid-p","Node":"fit"}`
	}
	return []endpoint{
		{"/authenticate", tokenReview, reviewLimit},
		{"/authorize", accessReview, reviewLimit},
		{"/scheduler/filter", inPod, schedulingLimit},
		{"/scheduler/prioritize", inPod, schedulingLimit},
		{"/scheduler/preempt", inVictim, schedulingLimit},
		{"/scheduler/bind", binding, bindingLimit},
		{"/scheduler/gpu/filter", inPod, schedulingLimit},
		{"/scheduler/gpu/preempt", inMetaVictim, schedulingLimit},
	}
}

// everyPoint serves a small policy for each point, to callers that send anything.
func everyPoint(t testing.TB) *service {
	t.Helper()
	modules := []string{
		claimsPolicy, authorizationPackage + `allow contains "all"`, placementPolicy,
		"package kubernetes.scheduler.gpu\n\nreject contains \"the node is full\" if input.node.metadata.labels.full == \"yes\"",
	}
	return newService(t, modules, knowing(secretToken, aliceIdentity()),
		inWholeCluster(newCluster(t, node("fit"))), withProfiles(t, modules, "gpu"),
		func(o *handlers.Options) { o.ReviewBytes, o.SchedulingBytes = reviewLimit, schedulingLimit })
}

// badRequest is a request that is not answered with a decision.
type badRequest struct {
	name    string
	body    string
	change  func(*http.Request)
	code    int
	message string
}

func badRequests(e endpoint) []badRequest {
	valid := e.valid("")
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	brackets := badRequest{name: "10 MB of [", body: strings.Repeat("[", 10<<20), code: http.StatusBadRequest, message: "invalid JSON"}
	if e.limit < 10<<20 {
		brackets.code, brackets.message = http.StatusRequestEntityTooLarge, "server.limits"
	}
	unsized := brackets
	unsized.name, unsized.change = "10 MB of [ without a Content-Length", func(r *http.Request) { r.ContentLength = -1 }

	return beyondLimit(e.limit, append(badReads(valid),
		brackets, unsized,
		badRequest{name: "1 MB of [", body: strings.Repeat("[", 1<<20), code: 400, message: "invalid JSON"},
		badRequest{name: "deep nesting", body: e.valid(`"x":` + nested(200) + `,`), code: 400, message: "nested deeper than 128 levels"},
		badRequest{name: "nesting deeper than the tokenizer goes", body: e.valid(`"x":` + nested(20000) + `,`), code: 400, message: "invalid JSON"},
		badRequest{name: "deep objects", body: e.valid(`"x":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200) + `,`), code: 400, message: "nested deeper than 128 levels"},
		badRequest{name: "empty", body: "", code: 400, message: "the document ends too early"},
		badRequest{name: "white space", body: " \n\t ", code: 400, message: "the document ends too early"},
		badRequest{name: "truncated", body: valid[:len(valid)/2], code: 400, message: "the document ends too early"},
		badRequest{name: "last byte missing", body: valid[:len(valid)-1], code: 400, message: "the document ends too early"},
		badRequest{name: "trailing data", body: valid + `{}`, code: 400, message: "data after the document"},
		badRequest{name: "trailing bracket", body: valid + `]`, code: 400, message: "invalid JSON"},
		badRequest{name: "not JSON", body: "kind: TokenReview", code: 400, message: "invalid JSON"},
		badRequest{name: "byte order mark", body: "\ufeff" + valid, code: 400, message: "invalid JSON"},
		badRequest{name: "gzip", body: "\x1f\x8b\x08\x00\x00\x00\x00\x00", code: 400, message: "invalid JSON"},
		badRequest{name: "a list", body: `[` + valid + `]`, code: 400, message: "object"},
		badRequest{name: "a string", body: `"review"`, code: 400, message: "object"},
		badRequest{name: "null", body: `null`, code: 400, message: "object"},
		badRequest{name: "an empty object", body: `{}`, code: 400},
		badRequest{name: "duplicate keys at the top", body: `{"x":1,"x":2,` + valid[1:], code: 400, message: "duplicate name in object"},
		badRequest{name: "duplicate keys inside", body: e.valid(`"x":1,"x":2,`), code: 400, message: "duplicate name in object"},
		badRequest{name: "duplicate keys further inside", body: e.valid(`"x":[{"a":{"b":1,"b":1}}],`), code: 400, message: "duplicate name in object"},
		badRequest{name: "duplicate keys, one of them escaped", body: e.valid(`"ab":1,"a\u0062":2,`), code: 400, message: "duplicate name in object"},
		badRequest{name: "invalid UTF-8 in a value", body: e.valid("\"x\":\"\xff\","), code: 400, message: "invalid UTF-8"},
		badRequest{name: "invalid UTF-8 in a name", body: e.valid("\"\xc3\x28\":1,"), code: 400, message: "invalid UTF-8"},
		badRequest{name: "half a surrogate pair", body: e.valid(`"x":"\ud800",`), code: 400, message: "invalid JSON"},
		badRequest{name: "overflowing number", body: e.valid(`"x":1e999,`), code: 400, message: "number out of range"},
		badRequest{name: "overflowing negative number", body: e.valid(`"x":[-1e999],`), code: 400, message: "number out of range"},
		badRequest{name: "number of a thousand digits", body: e.valid(`"x":` + strings.Repeat("9", 1000) + `,`), code: 400, message: "number longer than 128 bytes"},
		badRequest{name: "NaN", body: e.valid(`"x":NaN,`), code: 400, message: "invalid JSON"},
		badRequest{name: "hexadecimal number", body: e.valid(`"x":0x10,`), code: 400, message: "invalid JSON"},
		badRequest{name: "control character in a string", body: e.valid("\"x\":\"\x00\","), code: 400, message: "invalid JSON"},
		badRequest{name: "long duplicate name", body: e.valid(`"` + strings.Repeat("n", 500_000) + `":1,"` + strings.Repeat("n", 500_000) + `":1,`), code: 400, message: "duplicate name in object"},
	))
}

// beyondLimit has the bodies that are larger than limit refused for that.
func beyondLimit(limit int64, all []badRequest) []badRequest {
	for i := range all {
		if int64(len(all[i].body)) > limit {
			all[i].code, all[i].message = http.StatusRequestEntityTooLarge, "server.limits"
		}
	}
	return all
}

// badReads are those that fail before the body is looked at.
func badReads(valid string) []badRequest {
	contentType := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", value) }
	}
	method := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Method = name }
	}
	query := func(raw string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery = raw }
	}
	return []badRequest{
		{name: "no Content-Type", body: valid, change: func(r *http.Request) { r.Header.Del("Content-Type") }, code: 415, message: "application/json"},
		{name: "YAML", body: valid, change: contentType("application/yaml"), code: 415, message: "application/json"},
		{name: "protobuf", body: valid, change: contentType("application/vnd.kubernetes.protobuf"), code: 415, message: "application/json"},
		{name: "a form", body: valid, change: contentType("application/x-www-form-urlencoded"), code: 415, message: "application/json"},
		{name: "a Content-Type that is none", body: valid, change: contentType(";;;"), code: 415, message: "application/json"},
		{name: "GET", change: method(http.MethodGet), code: 405, message: "use POST"},
		{name: "PUT", body: valid, change: method(http.MethodPut), code: 405, message: "use POST"},
		{name: "DELETE", body: valid, change: method(http.MethodDelete), code: 405, message: "use POST"},
		{name: "a method of 100 kB", body: valid, change: method(strings.Repeat("M", 100_000)), code: 405, message: "use POST"},
		{name: "another path", body: valid, change: func(r *http.Request) { r.URL.Path += "/x" }, code: 404, message: "/authenticate"},
		{name: "a body that breaks off", change: func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(valid[:5]), iotest.ErrReader(errors.New("connection reset"))))
			r.ContentLength = int64(len(valid))
		}, code: 400, message: "the connection or the time ended before it was whole"},
		{name: "timeout without a unit", body: valid, change: query("timeout=30"), code: 400, message: "timeout"},
		{name: "timeout of zero", body: valid, change: query("timeout=0s"), code: 400, message: "timeout"},
		{name: "negative timeout", body: valid, change: query("timeout=-1s"), code: 400, message: "timeout"},
		{name: "overflowing timeout", body: valid, change: query("timeout=99999999999h"), code: 400, message: "timeout"},
		{name: "timeout of 100 kB", body: valid, change: query("timeout=" + strings.Repeat("9", 100_000)), code: 400, message: "timeout"},
	}
}

func (s *service) bad(t testing.TB, path string, b badRequest) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(b.body))
	r.Header.Set("Content-Type", "application/json")
	if b.change != nil {
		b.change(r)
	}
	return s.do(t, r)
}

// wantBad sends b and checks that it gets a short, clear Status and no decision.
func (s *service) wantBad(t *testing.T, path string, b badRequest) {
	t.Helper()
	const longest = 2048
	decisions, panics := s.metric(t, "verdict_decisions_total"), s.metric(t, "verdict_handler_panics_total")
	w := s.bad(t, path, b)
	if w.Body.Len() > longest {
		t.Errorf("the answer has %d bytes: it repeats what was sent", w.Body.Len())
	}
	wantStatus(t, w, b.code, b.message)
	if strings.Contains(s.log.String(), secretToken) || strings.Contains(w.Body.String(), secretToken) {
		t.Errorf("the token is told")
	}
	s.wantMetric(t, decisions, "verdict_decisions_total")
	s.wantMetric(t, panics, "verdict_handler_panics_total")
	s.wantMetric(t, 0, "verdict_requests_in_flight")
}

func TestBadInput(t *testing.T) {
	for _, e := range endpoints() {
		t.Run(strings.TrimPrefix(e.path, "/"), func(t *testing.T) {
			s := everyPoint(t)
			if w := s.post(t, e.path, e.valid("")); w.Code != http.StatusOK {
				t.Fatalf("the request that the bad ones are made from is answered %d: %s", w.Code, w.Body)
			}
			for _, b := range badRequests(e) {
				t.Run(b.name, func(t *testing.T) { s.wantBad(t, e.path, b) })
			}
			if w := s.post(t, e.path, e.valid("")); w.Code != http.StatusOK {
				t.Errorf("after the bad requests a good one is answered %d: %s", w.Code, w.Body)
			}
		})
	}
}

// What looks odd and is no mistake is decided as usual.
func TestOddInputThatIsGood(t *testing.T) {
	tests := map[string]string{
		"negative number":           `"x":-1,`,
		"number beyond int64":       `"x":9223372036854775808,`,
		"number below int64":        `"x":-9223372036854775809,`,
		"number beyond uint64":      `"x":18446744073709551616,`,
		"largest float64":           `"x":1.7976931348623157e308,`,
		"number that rounds to 0":   `"x":1e-999,`,
		"minus zero":                `"x":-0,`,
		"unknown fields":            `"x":{"y":[null,true]},`,
		"keys of two cases":         `"X":1,"x":2,`,
		"the longest nesting taken": `"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,`,
		"an empty name":             `"":1,`,
		"white space":               "\n\t \"x\" : 1 ,\r\n",
	}
	for _, e := range endpoints() {
		t.Run(strings.TrimPrefix(e.path, "/"), func(t *testing.T) {
			s := everyPoint(t)
			for name, inject := range tests {
				t.Run(name, func(t *testing.T) {
					if w := s.post(t, e.path, e.valid(inject)); w.Code != http.StatusOK {
						t.Errorf("code is %d, want 200; body: %s", w.Code, w.Body)
					}
				})
			}
			t.Run("a Content-Type with a charset", func(t *testing.T) {
				w := s.bad(t, e.path, badRequest{body: e.valid(""), change: func(r *http.Request) { r.Header.Set("Content-Type", "Application/JSON; charset=utf-8") }})
				if w.Code != http.StatusOK {
					t.Errorf("code is %d, want 200; body: %s", w.Code, w.Body)
				}
			})
		})
	}
}

func TestBadReviews(t *testing.T) {
	tests := []struct {
		path string
		badRequest
	}{
		{"/authenticate", badRequest{name: "wrong kind", body: `{"kind":"SubjectAccessReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, message: `kind: must be TokenReview, not "SubjectAccessReview"`}},
		{"/authenticate", badRequest{name: "kind in another case", body: `{"kind":"tokenreview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, message: "kind: must be TokenReview"}},
		{"/authenticate", badRequest{name: "kind missing", body: `{"apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, message: "kind: must be TokenReview"}},
		{"/authenticate", badRequest{name: "kind is a number", body: `{"kind":-7,"apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, message: "kind: must be a string"}},
		{"/authenticate", badRequest{name: "kind of 100 kB", body: `{"kind":"` + strings.Repeat("é", 50_000) + `","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, message: "kind: must be TokenReview"}},
		{"/authenticate", badRequest{name: "wrong version", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v2","spec":{"token":"t"}}`, message: "apiVersion: must be authentication.k8s.io/v1 or authentication.k8s.io/v1beta1"}},
		{"/authenticate", badRequest{name: "wrong group", body: `{"kind":"TokenReview","apiVersion":"authorization.k8s.io/v1","spec":{"token":"t"}}`, message: "apiVersion: must be authentication.k8s.io/v1"}},
		{"/authenticate", badRequest{name: "version alone", body: `{"kind":"TokenReview","apiVersion":"v1","spec":{"token":"t"}}`, message: "apiVersion: must be authentication.k8s.io/v1"}},
		{"/authenticate", badRequest{name: "version missing", body: `{"kind":"TokenReview","spec":{"token":"t"}}`, message: "apiVersion: must be"}},
		{"/authenticate", badRequest{name: "spec missing", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1"}`, message: "spec: is missing"}},
		{"/authenticate", badRequest{name: "spec null", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":null}`, message: "spec: is missing"}},
		{"/authenticate", badRequest{name: "spec a list", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":[]}`, message: "spec: must be an object, not a list"}},
		{"/authenticate", badRequest{name: "token missing", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{}}`, message: "spec.token: is missing"}},
		{"/authenticate", badRequest{name: "token empty", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":""}}`, message: "spec.token: is missing"}},
		{"/authenticate", badRequest{name: "token null", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":null}}`, message: "spec.token: is missing"}},
		{"/authenticate", badRequest{name: "token a number", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":-1}}`, message: "spec.token: must be a string, not a number"}},
		{"/authenticate", badRequest{name: "token twice", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","token":"u"}}`, message: "duplicate name in object"}},
		{"/authenticate", badRequest{name: "audiences a string", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","audiences":"api"}}`, message: "spec.audiences: must be a list of strings"}},
		{"/authenticate", badRequest{name: "an audience a number", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","audiences":["api",-1]}}`, message: "spec.audiences[1]: must be a string"}},

		{"/authorize", badRequest{name: "wrong kind", body: `{"kind":"TokenReview","apiVersion":"authorization.k8s.io/v1","spec":{"user":"a"}}`, message: `kind: must be SubjectAccessReview, not "TokenReview"`}},
		{"/authorize", badRequest{name: "another kind of the group", body: `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"user":"a"}}`, message: "kind: must be SubjectAccessReview"}},
		{"/authorize", badRequest{name: "wrong version", body: `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1alpha1","spec":{"user":"a"}}`, message: "apiVersion: must be authorization.k8s.io/v1 or authorization.k8s.io/v1beta1"}},
		{"/authorize", badRequest{name: "wrong group", body: `{"kind":"SubjectAccessReview","apiVersion":"authentication.k8s.io/v1","spec":{"user":"a"}}`, message: "apiVersion: must be authorization.k8s.io/v1"}},
		{"/authorize", badRequest{name: "version an object", body: `{"kind":"SubjectAccessReview","apiVersion":{},"spec":{"user":"a"}}`, message: "apiVersion: must be a string, not an object"}},
		{"/authorize", badRequest{name: "spec missing", body: `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1"}`, message: "spec: is missing"}},
		{"/authorize", badRequest{name: "spec a string", body: `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":"x"}`, message: "spec: must be an object, not a string"}},
		{"/authorize", badRequest{name: "user twice", body: `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"user":"a","user":"b"}}`, message: "duplicate name in object"}},
		{"/authorize", badRequest{name: "an extra key of 100 kB", body: `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"user":"a","extra":{"` + strings.Repeat("k", 100_000) + `":1}}}`, message: "spec.extra"}},
	}
	s := everyPoint(t)
	for _, tt := range tests {
		tt.code = http.StatusBadRequest
		t.Run(strings.TrimPrefix(tt.path, "/")+"/"+tt.name, func(t *testing.T) { s.wantBad(t, tt.path, tt.badRequest) })
	}
}

func TestBadExtenderArgs(t *testing.T) {
	const pod = `{"metadata":{"name":"p"}}`
	tests := []badRequest{
		{name: "Pod missing", body: `{"Nodes":null,"NodeNames":["fit"]}`, message: "Pod: is missing"},
		{name: "Pod null", body: `{"Pod":null,"Nodes":null,"NodeNames":["fit"]}`, message: "Pod: is missing"},
		{name: "Pod null with whole nodes", body: wholeNodes(`null`, node("fit")), message: "Pod: is missing"},
		{name: "Pod a string", body: `{"Pod":"p","NodeNames":["fit"]}`, message: "Pod: invalid JSON: the document is a string"},
		{name: "Pod a list", body: `{"Pod":[],"NodeNames":["fit"]}`, message: "Pod: invalid JSON"},
		{name: "Pod twice in two cases", body: `{"Pod":` + pod + `,"pod":` + pod + `,"NodeNames":["fit"]}`, message: "duplicate name in object"},
		{name: "duplicate keys in Pod", body: `{"Pod":{"metadata":{"name":"p","name":"q"}},"NodeNames":["fit"]}`, message: "duplicate name in object"},
		{name: "both forms", body: `{"Pod":` + pod + `,"Nodes":{"items":[]},"NodeNames":[]}`, message: "Nodes: send either these or NodeNames, not both"},
		{name: "neither form", body: `{"Pod":` + pod + `}`, message: "Nodes: is missing, and so is NodeNames"},
		{name: "both forms null", body: `{"Pod":` + pod + `,"Nodes":null,"NodeNames":null}`, message: "Nodes: is missing, and so is NodeNames"},
		{name: "Nodes a list", body: `{"Pod":` + pod + `,"Nodes":[` + node("fit") + `]}`, message: "Nodes: invalid JSON: the document must be an object"},
		{name: "items an object", body: `{"Pod":` + pod + `,"Nodes":{"items":{}}}`, message: "Nodes.items: must be a list"},
		{name: "items in two cases", body: `{"Pod":` + pod + `,"Nodes":{"items":[],"Items":[]}}`, message: "duplicate name in object"},
		{name: "a node null", body: wholeNodes(pod, `null`), message: "Nodes.items[0]"},
		{name: "a node a number", body: wholeNodes(pod, node("fit"), `-1`), message: "Nodes.items[1]"},
		{name: "duplicate keys in a node", body: wholeNodes(pod, `{"metadata":{"name":"a","labels":{"x":"1","x":"2"}}}`), message: "duplicate name in object"},
		{name: "overflowing number in a node", body: wholeNodes(pod, node("fit"), `{"metadata":{"name":"a","generation":1e999}}`), message: "Nodes.items[1]: invalid JSON: number out of range"},
		{name: "deep nesting in a node", body: wholeNodes(pod, `{"metadata":{"name":"a"},"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`), message: "Nodes.items[0]: invalid JSON: nested deeper"},
		{name: "invalid UTF-8 in a node", body: wholeNodes(pod, "{\"metadata\":{\"name\":\"\xff\"}}"), message: "invalid UTF-8"},
		{name: "a node without metadata", body: wholeNodes(pod, `{}`), message: "Nodes.items[0].metadata.name"},
		{name: "a node with metadata of another type", body: wholeNodes(pod, `{"metadata":"a"}`), message: "Nodes.items[0].metadata: must be an object"},
		{name: "a node without a name", body: wholeNodes(pod, `{"metadata":{}}`), message: "Nodes.items[0].metadata.name"},
		{name: "a node with a number for a name", body: wholeNodes(pod, `{"metadata":{"name":7}}`), message: "Nodes.items[0].metadata.name: must be a string"},
		{name: "two nodes of one name", body: wholeNodes(pod, node("a"), node("a")), message: "Nodes.items[1].metadata.name"},
		{name: "NodeNames a string", body: `{"Pod":` + pod + `,"NodeNames":"fit"}`, message: "NodeNames: must be a list of strings"},
		{name: "NodeNames an object", body: `{"Pod":` + pod + `,"NodeNames":{}}`, message: "NodeNames: must be a list of strings"},
		{name: "a name that is a number", body: `{"Pod":` + pod + `,"NodeNames":["fit",-1]}`, message: "NodeNames[1]: must be a string"},
		{name: "a name that is null", body: `{"Pod":` + pod + `,"NodeNames":[null]}`, message: "NodeNames[0]: must be a string"},
		{name: "an empty name", body: `{"Pod":` + pod + `,"NodeNames":["fit",""]}`, message: "NodeNames[1]"},
		{name: "a name twice", body: `{"Pod":` + pod + `,"NodeNames":["fit","fit"]}`, message: "NodeNames[1]"},
		{name: "a review", body: `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, message: "Pod: is missing"},
	}
	for _, verb := range []string{"filter", "prioritize"} {
		s := everyPoint(t)
		for _, b := range tests {
			b.code = http.StatusBadRequest
			t.Run(verb+"/"+b.name, func(t *testing.T) { s.wantBad(t, "/scheduler/"+verb, b) })
		}
	}
}

func TestBadPreemptionArgs(t *testing.T) {
	const pod = `{"metadata":{"name":"p"}}`
	whole := func(victims string) string { return `{"Pod":` + pod + `,"NodeNameToVictims":` + victims + `}` }
	meta := func(victims string) string { return `{"Pod":` + pod + `,"NodeNameToMetaVictims":` + victims + `}` }
	tests := []badRequest{
		{name: "Pod missing", body: `{"NodeNameToVictims":{}}`, message: "Pod: is missing"},
		{name: "Pod null", body: `{"Pod":null,"NodeNameToVictims":{}}`, message: "Pod: is missing"},
		{name: "Pod a string", body: `{"Pod":"p","NodeNameToVictims":{}}`, message: "Pod: must be an object"},
		{name: "Pod twice in two cases", body: `{"Pod":` + pod + `,"pod":` + pod + `,"NodeNameToVictims":{}}`, message: "duplicate name in object"},
		{name: "both forms", body: `{"Pod":` + pod + `,"NodeNameToVictims":{},"NodeNameToMetaVictims":{}}`, message: "send either these or NodeNameToMetaVictims, not both"},
		{name: "neither form", body: `{"Pod":` + pod + `}`, message: "NodeNameToVictims: is missing, and so is NodeNameToMetaVictims"},
		{name: "both forms null", body: `{"Pod":` + pod + `,"NodeNameToVictims":null,"NodeNameToMetaVictims":null}`, message: "is missing"},
		{name: "nodes a list", body: whole(`[]`), message: "NodeNameToVictims: must be an object"},
		{name: "a node without a name", body: meta(`{"":{"Pods":[]}}`), message: "a node has a name"},
		{name: "a node twice", body: meta(`{"a":{"Pods":[]},"a":{"Pods":[]}}`), message: "duplicate name in object"},
		{name: "a node null", body: meta(`{"a":null}`), message: `NodeNameToMetaVictims["a"]: must be an object`},
		{name: "a node whose name is of 100 kB", body: meta(`{"` + strings.Repeat("n", 100_000) + `":null}`), message: "must be an object"},
		{name: "Pods an object", body: meta(`{"a":{"Pods":{}}}`), message: `NodeNameToMetaVictims["a"].Pods: must be a list, not an object`},
		{name: "Pods in two cases", body: meta(`{"a":{"Pods":[],"pods":[]}}`), message: "duplicate name in object"},
		{name: "a victim null", body: meta(`{"a":{"Pods":[{"UID":"u"},null]}}`), message: `NodeNameToMetaVictims["a"].Pods[1]: must be an object`},
		{name: "a whole victim null", body: whole(`{"a":{"Pods":[null]}}`), message: `NodeNameToVictims["a"].Pods[0]: must be an object`},
		{name: "a victim a string", body: meta(`{"a":{"Pods":["u"]}}`), message: "Pods[0]: must be an object"},
		{name: "a victim without a UID", body: meta(`{"a":{"Pods":[{}]}}`), message: "Pods[0].UID: is missing"},
		{name: "a victim with an empty UID", body: meta(`{"a":{"Pods":[{"UID":""}]}}`), message: "Pods[0].UID: is missing"},
		{name: "a victim with a number for a UID", body: meta(`{"a":{"Pods":[{"UID":7}]}}`), message: "Pods[0].UID: must be a string"},
		{name: "a UID in two cases", body: meta(`{"a":{"Pods":[{"UID":"u","uid":"v"}]}}`), message: "duplicate name in object"},
		{name: "a whole victim without metadata", body: whole(`{"a":{"Pods":[{}]}}`), message: "Pods[0].metadata.uid: is missing"},
		{name: "a whole victim without a UID", body: whole(`{"a":{"Pods":[{"metadata":{"name":"v"}}]}}`), message: "Pods[0].metadata.uid: is missing"},
		{name: "a whole victim that is no Pod", body: whole(`{"a":{"Pods":[{"metadata":{"uid":"u"},"spec":"x"}]}}`), message: `NodeNameToVictims["a"]: spec`},
		{name: "violations a string", body: meta(`{"a":{"Pods":[],"NumPDBViolations":"1"}}`), message: "NumPDBViolations: must be a whole number"},
		{name: "violations a fraction", body: meta(`{"a":{"Pods":[],"NumPDBViolations":1.5}}`), message: "NumPDBViolations: must be a whole number"},
		{name: "violations with an exponent", body: meta(`{"a":{"Pods":[],"NumPDBViolations":1e2}}`), message: "NumPDBViolations: must be a whole number"},
		{name: "violations beyond int64", body: meta(`{"a":{"Pods":[],"NumPDBViolations":9223372036854775808}}`), message: "NumPDBViolations: must be a whole number"},
		{name: "a filter call", body: namedNodes(t, "fit"), message: "NodeNameToVictims: is missing"},
	}
	s := newService(t, []string{placementPolicy + "\nprotect contains \"x\" if input.victim.labels.app == \"db\""}, inWholeCluster(newCluster(t, node("a"))))
	for _, b := range tests {
		b.code = http.StatusBadRequest
		t.Run(b.name, func(t *testing.T) { s.wantBad(t, "/scheduler/preempt", b) })
	}
}

func TestBadBindingArgs(t *testing.T) {
	tests := []badRequest{
		{name: "no pod's name", body: `{"PodNamespace":"d","PodUID":"u","Node":"n"}`, message: "PodName: is missing"},
		{name: "no namespace", body: `{"PodName":"p","PodUID":"u","Node":"n"}`, message: "PodNamespace: is missing"},
		{name: "an empty UID", body: `{"PodName":"p","PodNamespace":"d","PodUID":"","Node":"n"}`, message: "PodUID: is missing"},
		{name: "a null node", body: `{"PodName":"p","PodNamespace":"d","PodUID":"u","Node":null}`, message: "Node: is missing"},
		{name: "a node that is an object", body: `{"PodName":"p","PodNamespace":"d","PodUID":"u","Node":{}}`, message: "Node: must be a string"},
		{name: "a name in two cases", body: `{"PodName":"p","podname":"q","PodNamespace":"d","PodUID":"u","Node":"n"}`, message: "duplicate name in object"},
		{name: "a name of 100 kB", body: `{"PodName":"` + strings.Repeat("p", 100_000) + `","PodNamespace":"d","PodUID":"u","Node":"n"}`, message: "PodName: is longer than 1024 bytes"},
		{name: "a filter call", body: namedNodes(t, "fit"), message: "PodName: is missing"},
	}
	s := everyPoint(t)
	for _, b := range tests {
		b.code = http.StatusBadRequest
		t.Run(b.name, func(t *testing.T) { s.wantBad(t, "/scheduler/bind", b) })
	}
}

func TestBodyLimits(t *testing.T) {
	s := newService(t, []string{authorizationPackage + `allow contains "all"`}, func(o *handlers.Options) { o.ReviewBytes = 400 })
	body := func(size int) string {
		short := accessReview("v1", aliceReadsHome)
		return short + strings.Repeat(" ", size-len(short))
	}
	for name, unsized := range map[string]bool{"with a Content-Length": false, "without a Content-Length": true} {
		t.Run(name, func(t *testing.T) {
			change := func(r *http.Request) {
				if unsized {
					r.ContentLength = -1
				}
			}
			if w := s.bad(t, "/authorize", badRequest{body: body(400), change: change}); w.Code != http.StatusOK {
				t.Errorf("a body at the limit is answered %d: %s", w.Code, w.Body)
			}
			wantStatus(t, s.bad(t, "/authorize", badRequest{body: body(401), change: change}), http.StatusRequestEntityTooLarge, "400 bytes")
		})
	}
}

// A header is read by net/http before any handler runs; the connection ends
// with a 4xx and the server goes on.
func TestHugeHeader(t *testing.T) {
	t.Parallel() // it waits
	s := everyPoint(t)
	server := httptest.NewUnstartedServer(s)
	server.Config.MaxHeaderBytes = 16 << 10
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	defer server.Close()

	for _, e := range endpoints() {
		t.Run(strings.TrimPrefix(e.path, "/"), func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			// The server may answer and stop reading before all of it is sent.
			_, _ = io.WriteString(conn, "POST "+e.path+" HTTP/1.1\r\nHost: verdict\r\nContent-Type: application/json\r\nX-Huge: "+strings.Repeat("h", 24<<10)+"\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("reading the answer: %v", err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("code is %d, want 431", response.StatusCode)
			}
			if response.Header.Get("Retry-After") != "" {
				t.Errorf("the answer has a Retry-After header")
			}
			after(t, server, e)
		})
	}
	s.wantMetric(t, 0, "verdict_handler_panics_total")
}

// after checks that the server still answers.
func after(t *testing.T, server *httptest.Server, e endpoint) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+e.path, strings.NewReader(e.valid("")))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatalf("the next request: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the next request is answered %d, want 200", response.StatusCode)
	}
}

func TestCallerThatHangsUp(t *testing.T) {
	s := newService(t, []string{authorizationPackage + "allow contains \"slow\" if {" + slowBody + "}\n"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/authorize", strings.NewReader(accessReview("v1", aliceReadsHome)))
	r.Header.Set("Content-Type", "application/json")
	wantStatus(t, s.do(t, r), http.StatusServiceUnavailable, "no time left")
	s.wantMetric(t, 0, "verdict_requests_in_flight")
}

func TestBadInputKeepsNoMemory(t *testing.T) {
	const (
		rounds = 5       // of some two hundred requests
		most   = 4 << 20 // bytes
	)
	s := everyPoint(t)
	type call struct {
		path string
		badRequest
	}
	var calls []call
	for _, e := range endpoints() {
		for _, b := range badRequests(e) {
			calls = append(calls, call{e.path, b})
		}
	}
	round := func() {
		for _, c := range calls {
			s.bad(t, c.path, c.badRequest)
		}
	}
	heap := func() int64 {
		var stats runtime.MemStats
		// The second collection frees what the first one's pools and finalizers held.
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	round()
	s.log.Reset()
	before, goroutines := heap(), runtime.NumGoroutine()
	for range rounds {
		round()
	}
	s.log.Reset()
	if grown := heap() - before; grown > most {
		t.Errorf("the heap grew by %d bytes over %d rounds of bad requests", grown, rounds)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines were left behind", now-goroutines)
	}
	runtime.KeepAlive(calls)
}
