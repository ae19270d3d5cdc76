package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
)

func caching(maxBytes int64) func(*handlers.Options) {
	return func(o *handlers.Options) { o.Cache = handlers.CacheOptions{Bytes: maxBytes, Entries: 1000} }
}

func reviewOf(user, verb string) string {
	return fmt.Sprintf(`{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":%q,"resourceAttributes":{"verb":%q,"resource":"pods"}}}`, user, verb)
}

const allowAlice = `package kubernetes.authorization

allow contains "alice may" if input.spec.user == "alice"

deny contains "nobody deletes" if input.spec.resourceAttributes.verb == "delete"
`

func TestAnswersAreKept(t *testing.T) {
	for name, test := range map[string]struct {
		module string
		change func(*handlers.Options)
		body   string
		hits   float64
	}{
		"allowed":          {allowAlice, caching(1 << 20), reviewOf("alice", "get"), 1},
		"denied":           {allowAlice, caching(1 << 20), reviewOf("alice", "delete"), 1},
		"no opinion":       {allowAlice, caching(1 << 20), reviewOf("bob", "get"), 1},
		"off":              {allowAlice, caching(0), reviewOf("alice", "get"), 0},
		"asks the clock":   {"package kubernetes.authorization\n\nallow contains \"x\" if time.now_ns() > 0", caching(1 << 20), reviewOf("alice", "get"), 0},
		"a policy error":   {"package kubernetes.authorization\n\nallow contains \"x\" if to_number(input.spec.user) > 0", caching(1 << 20), reviewOf("alice", "get"), 0},
		"not a review":     {allowAlice, caching(1 << 20), `{"kind":"Nothing"}`, 0},
		"a very long name": {allowAlice, caching(1 << 20), reviewOf(strings.Repeat("a", 10_000), "get"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, []string{test.module}, test.change)
			first := s.post(t, "/authorize", test.body)
			for range 2 {
				again := s.post(t, "/authorize", test.body)
				if again.Code != first.Code || again.Body.String() != first.Body.String() {
					t.Errorf("the second answer is %d %s, the first was %d %s", again.Code, again.Body, first.Code, first.Body)
				}
			}
			s.wantMetric(t, test.hits, "verdict_cache_hits_total", "cache", "answers")
		})
	}
}

// TestAnswersAgree asks a service with a cache that hardly holds anything and
// one without, over changing policies: they must never differ.
func TestAnswersAgree(t *testing.T) {
	modules := []string{
		allowAlice,
		strings.Replace(allowAlice, `"alice may" if input.spec.user == "alice"`, `"bob may" if input.spec.user == "bob"`, 1),
		"package kubernetes.authorization\n\nallow contains input.spec.user if true",
		"package kubernetes.authorization\n\nallow contains \"now\" if time.now_ns() > 0",
	}
	engine := policy.NewEngine(policy.Options{}, discard{})
	with := func(o *handlers.Options) {
		o.Revisions = engine
		o.Cache = handlers.CacheOptions{Bytes: 16 << 10, Entries: 1000}
	}
	without := func(o *handlers.Options) { o.Revisions = engine }
	load := func(i int) {
		content := policy.Content{Modules: []policy.Module{{Path: "policy.rego", Source: []byte(modules[i])}}}
		if err := engine.Load(t.Context(), content); err != nil {
			t.Fatal(err)
		}
	}
	load(0)
	cached, plain := newService(t, modules[:1], with), newService(t, modules[:1], without)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5_000 {
		if i%250 == 0 {
			load(random.IntN(len(modules)))
		}
		user := []string{"alice", "bob", "carol", fmt.Sprintf("user-%d", random.IntN(50))}[random.IntN(4)]
		body := reviewOf(user, []string{"get", "delete"}[random.IntN(2)])
		got, want := cached.post(t, "/authorize", body), plain.post(t, "/authorize", body)
		if got.Code != want.Code || got.Body.String() != want.Body.String() {
			t.Fatalf("request %d: with the cache %s, without %s", i, got.Body, want.Body)
		}
	}
	if cached.metric(t, "verdict_cache_hits_total", "cache", "answers") == 0 {
		t.Error("the cache was never hit, so nothing was tested")
	}
	if size := cached.metric(t, "verdict_cache_size_bytes", "cache", "answers"); size > 16<<10 {
		t.Errorf("the cache holds %v bytes, which is far beyond its bound of 8192", size)
	}
}
