package handlers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/cache/cachetest"
)

// TestFloodsOfSmallEntriesStayWithinTheBudget is TestFloodsStayWithinTheBudget for
// entries of which it takes tens of thousands: they go straight into the caches.
func TestFloodsOfSmallEntriesStayWithinTheBudget(t *testing.T) {
	budget := cache.Budget{Bytes: 64 << 20, Entries: 100_000}
	generation := &policy.Generation{}
	answersOf := func(m *Metrics, requests int, filler string) (map[cache.Name]func() cache.Stats, func() any) {
		a := newAnswers(budget, cache.Answers, m)
		return map[cache.Name]func() cache.Stats{cache.Answers: a.kept.Stats}, func() any {
			for i := range requests {
				body := appendAccessReview(make([]byte, 0, 256), "authorization.k8s.io/v1", authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "alice may"})
				request := fmt.Appendf(nil, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"%d%s","resourceAttributes":{"verb":"get","resource":"pods"}}}`, i, filler)
				for range 2 {
					if _, ok := a.find(keptAnswer{generation: generation}, request, time.Now()); !ok {
						a.keep(request, keptAnswer{generation: generation, expires: policy.Never, body: body, outcome: "allow"})
					}
				}
			}
			return a
		}
	}
	for name, test := range map[string]struct {
		cache cache.Name
		made  func(*Metrics) (stats map[cache.Name]func() cache.Stats, flood func() any)
	}{
		"answers, small": {cache.Answers, func(m *Metrics) (map[cache.Name]func() cache.Stats, func() any) {
			return answersOf(m, 30_000, "")
		}},
		"answers, long requests": {cache.Answers, func(m *Metrics) (map[cache.Name]func() cache.Stats, func() any) {
			return answersOf(m, 2_500, strings.Repeat("x", 9_000))
		}},
		"nodes, small": {cache.Nodes, func(m *Metrics) (map[cache.Name]func() cache.Stats, func() any) {
			known, classes := newKnownNodes(budget, 0, m), placingEngine(t, budget)
			stats := classes.CacheStats()
			stats[cache.Nodes] = known.kept.Stats
			return stats, func() any {
				for i := range 20_000 {
					text := fmt.Appendf(nil, `{"metadata":{"name":"n%d","uid":"00000000-0000-0000-0000-%012d","resourceVersion":"%d","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"kubernetes.io/hostname":"n%d"},"annotations":{"a":"%dxxxxxxxxxx"}}}`, i, i, i, i, i)
					node, err := known.add(text)
					if err != nil {
						t.Fatal(err)
					}
					classes.Classify(node)
				}
				return []any{known, classes}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			stats, flood := test.made(NewMetrics(prometheus.NewRegistry()))
			cachetest.Flood(t, budget, 0.8, stats, test.cache, flood)
		})
	}
}

// placingEngine has a policy that reads a little of each node.
func placingEngine(t *testing.T, budget cache.Budget) *policy.Engine {
	t.Helper()
	e := policy.NewEngine(policy.Options{Cache: policy.CacheOptions{Bytes: budget.Bytes, Entries: budget.Entries}}, unobserved{})
	source := "package kubernetes.scheduling\n\nreject contains \"x\" if input.node.metadata.annotations.a == input.pod.spec.a\n\nunresolvable contains \"y\" if input.node.spec.unschedulable\n\nscore[\"a\"] := 1 if input.node.metadata.labels.a\n"
	if err := e.Load(t.Context(), policy.Content{Modules: []policy.Module{{Path: "a.rego", Source: []byte(source)}}}); err != nil {
		t.Fatal(err)
	}
	return e
}
