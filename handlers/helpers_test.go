package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// service is the webhook handler over a real engine, with what it logged and counted.
type service struct {
	http.Handler
	registry *prometheus.Registry
	log      *bytes.Buffer
}

// newService compiles the modules and serves them; change adjusts the options.
func newService(t testing.TB, modules []string, change ...func(*handlers.Options)) *service {
	t.Helper()
	s := &service{registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		zapcore.Lock(zapcore.AddSync(s.log)), zapcore.DebugLevel)
	options := handlers.Options{
		Revisions:         engine(t, policy.Options{}, modules...),
		Verifier:          &verifier{},
		Metrics:           handlers.NewMetrics(s.registry),
		Log:               zap.New(core),
		OnError:           handlers.OnErrorDeny,
		OnUnavailable:     handlers.OnUnavailable503,
		MaxInFlight:       1024,
		ReviewBytes:       1 << 20,
		SchedulingBytes:   64 << 20,
		DecisionTimeout:   10 * time.Second,
		SchedulingTimeout: 10 * time.Second,
	}
	for _, c := range change {
		c(&options)
	}
	s.Handler = handlers.New(options)
	return s
}

// engine loads the modules; with none it has no revision.
func engine(t testing.TB, options policy.Options, modules ...string) *policy.Engine {
	t.Helper()
	e := policy.NewEngine(options, discard{})
	if len(modules) == 0 {
		return e
	}
	var content policy.Content
	for i, source := range modules {
		content.Modules = append(content.Modules, policy.Module{
			Path:   "policies/" + string(rune('a'+i)) + ".rego",
			Source: []byte(source),
		})
	}
	if err := e.Load(t.Context(), content); err != nil {
		t.Fatalf("loading the test's policy: %v", err)
	}
	return e
}

type discard struct{}

func (discard) RevisionLoaded(*policy.Revision, time.Duration) {}
func (discard) RevisionRefused(error)                          {}

// verifier knows tokens by heart.
type verifier struct {
	identities map[string]identity.Identity
	generation atomic.Uint64
	// verify takes the place of the look-up when it is set.
	verify func(ctx context.Context, token string) (identity.Identity, error)
}

func (v *verifier) Verify(ctx context.Context, token string) (identity.Identity, error) {
	if v.verify != nil {
		return v.verify(ctx, token)
	}
	known, ok := v.identities[token]
	if !ok {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	return known, nil
}

func (v *verifier) Generation() uint64 { return v.generation.Load() }

// cluster is the set of nodes an informer would know.
type cluster struct {
	nodes map[string]*nodes.Node
	ready error
	// looked is called for every look-up when it is set.
	looked func()
}

func (c *cluster) Find(names [][]byte, list []*nodes.Node) {
	if c.looked != nil {
		c.looked()
	}
	for i, name := range names {
		list[i] = c.nodes[string(name)]
	}
}

func (c *cluster) Ready() error { return c.ready }

// newCluster knows the nodes, each given as its JSON, by their metadata.name.
func newCluster(t testing.TB, list ...string) *cluster {
	t.Helper()
	c := &cluster{nodes: map[string]*nodes.Node{}}
	for _, source := range list {
		node, err := nodes.New([]byte(source))
		if err != nil {
			t.Fatalf("reading the test's node: %v", err)
		}
		c.nodes[node.Name()] = node
	}
	return c
}

// post sends body as an apiserver or scheduler would.
func (s *service) post(t testing.TB, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return s.do(t, r)
}

// do serves r and checks what holds for every answer.
func (s *service) do(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if _, has := w.Header()["Retry-After"]; has {
		t.Errorf("the answer has a Retry-After header, with which apiserver calls eleven times")
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q, want application/json", got)
	}
	switch w.Code {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		t.Errorf("code is %d, which apiserver's clients send five times", w.Code)
	}
	return w
}

// ask posts body, expects a 200 and decodes it into answer, refusing unknown fields.
func (s *service) ask(t testing.TB, target, body string, answer any) {
	t.Helper()
	w := s.post(t, target, body)
	if w.Code != http.StatusOK {
		t.Fatalf("code is %d, want 200; body: %s", w.Code, w.Body)
	}
	decodeStrict(t, w.Body.Bytes(), answer)
}

func decodeStrict(t testing.TB, content []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("decoding the answer: %v; body: %s", err, content)
	}
}

// wantStatus checks that w is a Kubernetes Status of the code whose message contains message.
func wantStatus(t testing.TB, w *httptest.ResponseRecorder, code int, message string) {
	t.Helper()
	if w.Code != code {
		t.Fatalf("code is %d, want %d; body: %.500s", w.Code, code, w.Body)
	}
	var status metav1.Status
	decodeStrict(t, w.Body.Bytes(), &status)
	if status.Kind != "Status" || status.APIVersion != "v1" || status.Status != metav1.StatusFailure {
		t.Errorf("the body is no v1 Status of a failure: %.500s", w.Body)
	}
	if int(status.Code) != code {
		t.Errorf("the Status has code %d, want %d", status.Code, code)
	}
	if status.Reason == "" {
		t.Errorf("the Status has no reason")
	}
	if status.Message == "" || !strings.Contains(status.Message, message) {
		t.Errorf("the Status says %.300q, want it to contain %q", status.Message, message)
	}
}

// metric is the value of a counter or gauge, or the count of a histogram; the
// labels are name, value, name, value, … and 0 is what was never touched.
func (s *service) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatalf("gathering metrics: %v", err)
	}
	want := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		want[labels[i]] = labels[i+1]
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			matched := 0
			for _, pair := range m.GetLabel() {
				if value, ok := want[pair.GetName()]; ok && value == pair.GetValue() {
					matched++
				}
			}
			if matched == len(want) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// wantMetric checks one value of metric.
func (s *service) wantMetric(t testing.TB, want float64, name string, labels ...string) {
	t.Helper()
	if got := s.metric(t, name, labels...); got != want {
		t.Errorf("%s%v is %v, want %v", name, labels, got, want)
	}
}
