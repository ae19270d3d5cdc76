package handlers_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/identity"
)

// gate holds whoever comes to it until it is opened.
type gate struct {
	entered, open chan struct{}
}

func newGate(visitors int) *gate {
	return &gate{entered: make(chan struct{}, visitors), open: make(chan struct{})}
}

func (g *gate) pass() {
	g.entered <- struct{}{}
	<-g.open
}

// waitFor fails the test when the event does not come.
func waitFor(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not happen", what)
	}
}

// inBackground posts body and gives the answer's code.
func (s *service) inBackground(ctx context.Context, path, body string) <-chan int {
	code := make(chan int, 1)
	go func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		code <- w.Code
	}()
	return code
}

func TestRequestsBeyondTheLimitAreShed(t *testing.T) {
	const most = 3
	g := newGate(most)
	s := newService(t, []string{claimsPolicy, authorizationPackage + `allow contains "all"`}, func(o *handlers.Options) {
		o.MaxInFlight = most
		o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) {
			g.pass()
			return aliceIdentity(), nil
		}}
	})
	var held []<-chan int
	for range most {
		held = append(held, s.inBackground(t.Context(), "/authenticate", tokenReviewBody(t, "v1", secretToken)))
		waitFor(t, g.entered, "a request's entering")
	}
	s.wantMetric(t, most, "verdict_requests_in_flight", "point", "authentication", "verb", "review")

	// The limit is on the service as a whole, whatever the endpoint.
	wantStatus(t, s.post(t, "/authorize", accessReview("v1", aliceGetsPods)), http.StatusServiceUnavailable, "too many requests in flight")
	wantStatus(t, s.post(t, "/authenticate", tokenReviewBody(t, "v1", secretToken)), http.StatusServiceUnavailable, "too many requests in flight")
	s.wantMetric(t, 1, "verdict_requests_shed_total", "point", "authorization")
	s.wantMetric(t, 1, "verdict_requests_shed_total", "point", "authentication")
	s.wantMetric(t, 0, "verdict_decisions_total")

	close(g.open)
	for _, code := range held {
		if got := <-code; got != http.StatusOK {
			t.Errorf("a request that was let in is answered %d", got)
		}
	}
	if w := s.post(t, "/authorize", accessReview("v1", aliceGetsPods)); w.Code != http.StatusOK {
		t.Errorf("with room again, a request is answered %d", w.Code)
	}
	s.wantMetric(t, 0, "verdict_requests_in_flight")
}

// TestPlacesByVerb: one verb of one profile that takes all its places leaves the
// other verbs, the other profiles and the reviews theirs.
func TestPlacesByVerb(t *testing.T) {
	const most = 2
	g := newGate(most)
	nodes := newCluster(t, node("a"))
	whole := inWholeCluster(newCluster(t, node("fit")), func(c *wholeCluster) { c.locked = g.pass })
	modules := []string{placementPolicy, "package kubernetes.scheduler.gpu\n", authorizationPackage + `allow contains "all"`}
	for _, test := range []struct {
		held, body string
		change     func(*handlers.Options)
		refusal    string
	}{
		{"/scheduler/filter", namedNodes(t, "a"), func(o *handlers.Options) { nodes.looked, o.Nodes = g.pass, nodes }, "too many filter requests in flight"},
		{"/scheduler/bind", bindingOfP, whole, "too many bind requests in flight"},
	} {
		t.Run(test.held, func(t *testing.T) {
			*g = *newGate(most)
			s := newService(t, modules, func(o *handlers.Options) { o.MaxInFlight = most }, withProfiles(t, modules, "gpu"), test.change)
			held := []<-chan int{s.inBackground(t.Context(), test.held, test.body), s.inBackground(t.Context(), test.held, test.body)}
			for range held {
				waitFor(t, g.entered, "a call's entering")
			}
			wantStatus(t, s.post(t, test.held, test.body), http.StatusServiceUnavailable, test.refusal)
			verb := strings.TrimPrefix(test.held, "/scheduler/")
			s.wantMetric(t, 1, "verdict_requests_shed_total", "point", "scheduling", "verb", verb)
			nodes.looked = nil
			for path, body := range map[string]string{
				"/scheduler/filter": namedNodes(t), "/scheduler/prioritize": namedNodes(t), "/scheduler/preempt": "{}", "/scheduler/bind": "{}",
				"/scheduler/gpu/filter": namedNodes(t), "/scheduler/gpu/bind": "{}", "/scheduler/unknown/filter": namedNodes(t),
				"/authorize": accessReview("v1", aliceGetsPods),
			} {
				if path == test.held {
					continue
				}
				if w := s.post(t, path, body); w.Code == http.StatusServiceUnavailable {
					t.Errorf("%s beside a flood of %s is answered %d: %s", path, test.held, w.Code, w.Body)
				}
			}
			close(g.open)
			for _, code := range held {
				if got := <-code; got != http.StatusOK {
					t.Errorf("a call that was let in is answered %d", got)
				}
			}
			if w := s.post(t, test.held, test.body); w.Code != http.StatusOK {
				t.Errorf("with room again, a call is answered %d", w.Code)
			}
		})
	}
}

func TestPanicIsAnswered503AndCounted(t *testing.T) {
	const secretBody = "what-the-request-said"
	s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
		o.MaxInFlight = 1
		o.Verifier = &verifier{verify: func(_ context.Context, token string) (identity.Identity, error) { panic("odd token " + token) }}
	})
	// Twice, with room for one: a panic must give its place back.
	for range 2 {
		wantStatus(t, s.post(t, "/authenticate", tokenReviewBody(t, "v1", secretBody)), http.StatusServiceUnavailable, "internal fault")
	}
	s.wantMetric(t, 2, "verdict_handler_panics_total")
	s.wantMetric(t, 2, "verdict_request_duration_seconds", "point", "authentication", "verb", "review", "code", "503")
	s.wantMetric(t, 0, "verdict_requests_in_flight")
	s.wantMetric(t, 0, "verdict_requests_shed_total")
	logged := s.log.String()
	if !strings.Contains(logged, `"stack"`) || !strings.Contains(logged, "(*handler).authenticate") {
		t.Errorf("the log does not show where the panic happened: %s", logged)
	}
	if strings.Contains(logged, secretBody) {
		t.Errorf("the log quotes the request: %s", logged)
	}
}

func TestAbortingPanicEndsTheConnection(t *testing.T) {
	s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
		o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) { panic(http.ErrAbortHandler) }}
	})
	defer func() {
		if cause := recover(); cause != http.ErrAbortHandler { //nolint:errorlint // a panic's value, not an error that was wrapped
			t.Errorf("the panic that asks net/http to end the connection became %v", cause)
		}
		s.wantMetric(t, 0, "verdict_handler_panics_total")
	}()
	s.post(t, "/authenticate", tokenReviewBody(t, "v1", secretToken))
}

// certified is a request of a caller with a certificate of the name.
func certified(t *testing.T, e endpoint, name string, verified bool) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, e.path, strings.NewReader(e.valid("")))
	r.Header.Set("Content-Type", "application/json")
	certificate := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{certificate}}
	}
	return r
}

func TestCallers(t *testing.T) {
	s := newService(t, []string{claimsPolicy, authorizationPackage + `allow contains "all"`, placementPolicy},
		knowing(secretToken, aliceIdentity()), inCluster(t, node("fit")), func(o *handlers.Options) {
			o.Callers = map[policy.Point][]string{
				policy.AuthenticationPoint: {"apiserver", "dashboard"},
				policy.AuthorizationPoint:  {"*"},
				// Nobody is listed for scheduling.
			}
			o.PeerNames = func(c *x509.Certificate) []string {
				return []string{"alias-of-" + c.Subject.CommonName, c.Subject.CommonName}
			}
		})
	admitted := map[string]map[string]bool{
		"/authenticate":         {"apiserver": true, "dashboard": true, "kubelet": false, "*": false, "": false, "APISERVER": false, "apiserver2": false},
		"/authorize":            {"apiserver": true, "kubelet": true},
		"/scheduler/filter":     {"apiserver": false, "kubelet": false, "*": false},
		"/scheduler/prioritize": {"apiserver": false},
	}
	for _, e := range endpoints() {
		for name, allowed := range admitted[e.path] {
			t.Run(strings.TrimPrefix(e.path, "/")+" by "+name, func(t *testing.T) {
				w := s.do(t, certified(t, e, name, true))
				if !allowed {
					wantStatus(t, w, http.StatusForbidden, "server.callers")
				} else if w.Code != http.StatusOK {
					t.Errorf("code is %d, want 200; body: %s", w.Code, w.Body)
				}
			})
		}
		t.Run(strings.TrimPrefix(e.path, "/")+" by a certificate that was not verified", func(t *testing.T) {
			wantStatus(t, s.do(t, certified(t, e, "apiserver", false)), http.StatusForbidden, "client certificate")
		})
		t.Run(strings.TrimPrefix(e.path, "/")+" without a certificate", func(t *testing.T) {
			r := certified(t, e, "apiserver", true)
			r.TLS = &tls.ConnectionState{}
			wantStatus(t, s.do(t, r), http.StatusForbidden, "client certificate")
		})
		t.Run(strings.TrimPrefix(e.path, "/")+" without TLS", func(t *testing.T) {
			wantStatus(t, s.post(t, e.path, e.valid("")), http.StatusForbidden, "client certificate")
		})
	}
	if !strings.Contains(s.log.String(), "alias-of-kubelet") {
		t.Errorf("the log does not name who was refused: %s", s.log)
	}
}

// A caller that is refused holds no place and has nothing of its body read.
func TestRefusedCallersTakeNoPlace(t *testing.T) {
	g := newGate(1)
	s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
		o.MaxInFlight = 1
		o.Callers = map[policy.Point][]string{policy.AuthenticationPoint: {"apiserver"}}
		o.PeerNames = func(c *x509.Certificate) []string { return []string{c.Subject.CommonName} }
		o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) {
			g.pass()
			return aliceIdentity(), nil
		}}
	})
	e := endpoints()[0]
	held := make(chan int, 1)
	first := certified(t, e, "apiserver", true)
	go func() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, first)
		held <- w.Code
	}()
	waitFor(t, g.entered, "the first request's entering")
	wantStatus(t, s.do(t, certified(t, e, "kubelet", true)), http.StatusForbidden, "server.callers")
	s.wantMetric(t, 0, "verdict_requests_shed_total")
	close(g.open)
	if code := <-held; code != http.StatusOK {
		t.Errorf("the caller that is listed is answered %d", code)
	}
}

func TestTimeoutIsTheShorterOfTheCallersAndOurs(t *testing.T) {
	tests := []struct {
		name, query string
		ours, want  time.Duration
	}{
		{"the caller's", "?timeout=2s", time.Minute, 2 * time.Second},
		{"ours", "?timeout=1h", 3 * time.Second, 3 * time.Second},
		{"no timeout asked", "", 3 * time.Second, 3 * time.Second},
		{"an empty timeout", "?timeout=", 3 * time.Second, 3 * time.Second},
		{"a timeout with parts", "?timeout=1m30s", time.Hour, 90 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const slack = 30 * time.Second // what a slow machine may lose between the two readings of the clock
			var left time.Duration
			s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
				o.DecisionTimeout = tt.ours
				o.Verifier = &verifier{verify: func(ctx context.Context, _ string) (identity.Identity, error) {
					deadline, ok := ctx.Deadline()
					if !ok {
						return identity.Identity{}, errors.New("the request has no deadline")
					}
					left = time.Until(deadline)
					return identity.Identity{}, identity.ErrUnknownToken
				}}
			})
			if w := s.post(t, "/authenticate"+tt.query, tokenReviewBody(t, "v1", secretToken)); w.Code != http.StatusOK {
				t.Fatalf("code is %d; body: %s", w.Code, w.Body)
			}
			if left > tt.want || left < tt.want-slack || left == 0 {
				t.Errorf("%v were left to decide, want %v", left, tt.want)
			}
		})
	}
}

func TestInvalidTimeoutIsRefused(t *testing.T) {
	s := everyPoint(t)
	for _, e := range endpoints() {
		for _, value := range []string{"30", "0", "0s", "-5s", "soon", "1e3s", "%00"} {
			t.Run(strings.TrimPrefix(e.path, "/")+"?timeout="+value, func(t *testing.T) {
				wantStatus(t, s.post(t, e.path+"?timeout="+value, e.valid("")), http.StatusBadRequest, "is not a positive duration")
			})
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	s := everyPoint(t)
	for _, path := range []string{"/", "/metrics", "/authenticate/", "/Authorize", "/scheduler", "/scheduler/assign", "/scheduler//filter", "/scheduler/gpu/assign", "/scheduler/a/b/filter"} {
		t.Run(path, func(t *testing.T) {
			wantStatus(t, s.post(t, path, `{}`), http.StatusNotFound, "/scheduler/VERB or /scheduler/PROFILE/VERB")
		})
	}
	t.Run("the methods that are served", func(t *testing.T) {
		w := s.do(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/authorize", nil))
		wantStatus(t, w, http.StatusMethodNotAllowed, `"GET"`)
		if got := w.Header().Get("Allow"); got != http.MethodPost {
			t.Errorf("Allow is %q, want POST", got)
		}
	})
}

func TestMetricsHaveTheirNamesAndLabels(t *testing.T) {
	s := everyPoint(t)
	for _, e := range endpoints() {
		s.post(t, e.path, e.valid(""))
	}
	s.post(t, "/authorize", `{`)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text := w.Body.String()
	for _, line := range []string{
		`verdict_decisions_total{outcome="authenticated",point="authentication",verb="review"} 1`,
		`verdict_decisions_total{outcome="allow",point="authorization",verb="review"} 1`,
		`verdict_decisions_total{outcome="accepted",point="scheduling",verb="filter"} 2`,
		`verdict_decisions_total{outcome="scored",point="scheduling",verb="prioritize"} 1`,
		`verdict_request_duration_seconds_count{code="200",point="authentication",verb="review"} 1`,
		`verdict_request_duration_seconds_count{code="400",point="authorization",verb="review"} 1`,
		`verdict_request_duration_seconds_bucket{code="200",point="scheduling",verb="filter",le="5e-05"} `,
		`verdict_request_size_bytes_count{point="authorization",verb="review"} 2`,
		`verdict_requests_in_flight{point="scheduling",verb="filter"} 0`,
		`verdict_scheduling_nodes_total{outcome="accepted",profile="default",verb="filter"} 1`,
		`verdict_scheduling_nodes_total{outcome="scored",profile="default",verb="prioritize"} 1`,
		`verdict_scheduling_nodes_total{outcome="accepted",profile="default",verb="preempt"} 1`,
		`verdict_scheduling_work_total{kind="nodes",profile="default",verb="filter"} 2`,
		`verdict_scheduling_duration_seconds_count{profile="default",verb="bind"} 1`,
		`verdict_scheduling_duration_seconds_count{profile="gpu",verb="filter"} 1`,
		`verdict_scheduling_duration_seconds_count{profile="(unknown)",verb="filter"} 0`,
		`verdict_handler_panics_total 0`,
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// What a caller chooses must not become a label: each value is a series for good.
func TestMetricsAreNotGrownByCallers(t *testing.T) {
	s := everyPoint(t)
	series := func() int {
		families, err := s.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, family := range families {
			n += len(family.GetMetric())
		}
		return n
	}
	s.post(t, "/scheduler/filter", namedNodes(t, "n0"))
	s.post(t, "/unknown/0", `{}`)
	before := series()
	for _, odd := range []string{"n1", "n2", "n3"} {
		s.post(t, "/scheduler/filter", namedNodes(t, odd))
		s.post(t, "/unknown/"+odd, `{}`)
		r := httptest.NewRequestWithContext(t.Context(), "M"+odd, "/authorize", nil)
		s.do(t, r)
	}
	if after := series(); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}
