package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/cache/cachetest"
	"github.com/verdict-dev/verdict/policy/identity"
)

// TestFloodsStayWithinTheBudget fills each of the handlers' caches with the largest
// that callers can make: the heap grows by what is counted, and no further.
func TestFloodsStayWithinTheBudget(t *testing.T) {
	budget := cache.Budget{Bytes: 64 << 20, Entries: 100_000}
	long := strings.Repeat("x", 9_000)
	const large = `allow contains sprintf("%s-%d", [input.spec.user, i]) if some i in numbers.range(1, 20)`
	for name, test := range map[string]struct {
		cache  cache.Name
		policy string
		flood  func(*testing.T, *service)
	}{
		"answers, large": {cache.Answers, "package kubernetes.authorization\n\n" + large, func(t *testing.T, s *service) {
			for i := range 500 {
				for range 2 {
					s.post(t, "/authorize", reviewOf(fmt.Sprint(i, long[:3000]), "get"))
				}
			}
		}},
		"tokenAnswers": {cache.TokenAnswers, "package kubernetes.authentication\n\nuser.username := input.identity.subject\n\nuser.groups contains sprintf(\"%s-%d\", [input.identity.subject, i]) if some i in numbers.range(1, 20)", func(t *testing.T, s *service) {
			for i := range 1_000 {
				for range 2 {
					s.post(t, "/authenticate", fmt.Sprintf(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"%d%s"}}`, i, long[:400]))
				}
			}
		}},
		"nodes, large": {cache.Nodes, placing, func(t *testing.T, s *service) {
			for i := range 1_000 {
				s.post(t, "/scheduler/filter", wholeNode(i, long+long))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, policy.Options{Cache: policy.CacheOptions{Bytes: budget.Bytes, Entries: budget.Entries}}, test.policy)
			s := newService(t, nil, func(o *handlers.Options) {
				o.Cache, o.Revisions = budget, e
				o.Verifier = &verifier{verify: func(_ context.Context, token string) (identity.Identity, error) {
					return identity.Identity{Source: "s", Subject: token}, nil
				}}
			})
			stats := e.CacheStats()
			for _, name := range []cache.Name{cache.Answers, cache.TokenAnswers, cache.Nodes} {
				stats[name] = func() cache.Stats {
					return cache.Stats{
						Bytes: uint64(s.metric(t, "verdict_cache_size_bytes", "cache", string(name))),
						Limit: uint64(s.metric(t, "verdict_cache_max_bytes", "cache", string(name))),
					}
				}
			}
			s.post(t, "/authorize", reviewOf("alice", "get")) // buffers, and the like
			cachetest.Flood(t, budget, 0.8, stats, test.cache, func() any {
				test.flood(t, s)
				return s
			})
		})
	}
}

const placing = `package kubernetes.scheduling

reject contains "x" if input.node.metadata.annotations.a == input.pod.spec.a

unresolvable contains "y" if input.node.spec.unschedulable

score["a"] := 1 if input.node.metadata.labels.a
`

// wholeNode is a filter call with one node.
func wholeNode(i int, filler string) string {
	return fmt.Sprintf(`{"Pod":{"metadata":{"name":"p"},"spec":{}},"Nodes":{"items":[{"metadata":{"name":"n%d","uid":"00000000-0000-0000-0000-%012d","resourceVersion":"%d","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"kubernetes.io/hostname":"n%d"},"annotations":{"a":"%d%s"}}}]}}`, i, i, i, i, i, filler)
}
