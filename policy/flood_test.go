package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/cache/cachetest"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// TestFloodsStayWithinTheBudget fills each of the engine's caches with the largest
// that callers can make: the heap grows by what is counted, and no further.
func TestFloodsStayWithinTheBudget(t *testing.T) {
	budget := cache.Budget{Bytes: 128 << 20, Entries: 200_000}
	long := strings.Repeat("x", 9_000)
	access := func(policy string, n int, review func(i int) string) func(*testing.T, *Engine) {
		return func(t *testing.T, e *Engine) {
			t.Helper()
			if err := e.Load(t.Context(), content(policy)); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				review := documentOf(t, review(i))
				if _, err := e.View().Authorize(t.Context(), review.Root()); err != nil {
					t.Fatal(err)
				}
				review.Release()
			}
		}
	}
	place := func(rule string, pods, nodeCount int, pod, node func(i int) string, state func(i int) *nodes.State) func(*testing.T, *Engine) {
		return func(t *testing.T, e *Engine) {
			t.Helper()
			if err := e.Load(t.Context(), content(sched+rule)); err != nil {
				t.Fatal(err)
			}
			for i := range pods {
				pod := documentOf(t, pod(i))
				for j := range nodeCount {
					n, err := nodes.New([]byte(node(i*nodeCount + j)))
					if err != nil {
						t.Fatal(err)
					}
					if state != nil {
						n = n.WithState(state(i*nodeCount + j))
					}
					reject(t, e.View(), pod.Root(), n)
				}
				pod.Release()
			}
		}
	}
	named := func(i int) string { return fmt.Sprintf(`{"metadata":{"name":"n%d"}}`, i) }
	for name, test := range map[string]struct {
		cache cache.Name
		flood func(*testing.T, *Engine)
	}{
		"decisions, long names": {cache.Decisions, access(authz+`allow contains input.spec.user if true`, 6_000, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d%s"}}`, i, long)
		})},
		"decisions, many reasons": {cache.Decisions, access(authz+`allow contains sprintf("%s-%d", [input.spec.user, i]) if some i in numbers.range(1, 200)`, 3_000, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d%s"}}`, i, long[:300])
		})},
		"decisions, short reasons out of long texts": {cache.Decisions, access(authz+`allow contains substring(concat("", [input.spec.user, input.spec.user, input.spec.user]), 0, 5) if true`, 10_000, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d%s"}}`, i, long[:3000])
		})},
		"decisions, small": {cache.Decisions, access(authz+`allow contains input.spec.user if true`, 130_000, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d"}}`, i)
		})},
		"placements, reasons that quote an annotation": {cache.Placements, place(`reject contains sprintf("%s on %s", [input.pod.a, input.node.metadata.name]) if true`, 100, 100,
			func(i int) string { return fmt.Sprintf(`{"a":"%d%s"}`, i, long) }, named, nil)},
		"pod classes": {cache.PodClasses, place(`reject contains "x" if input.pod.a == input.node.metadata.name`, 4_000, 1,
			func(i int) string { return fmt.Sprintf(`{"a":"%d%s"}`, i, long) }, func(int) string { return named(1) }, nil)},
		"node classes, large nodes": {cache.NodeClasses, place(`reject contains "x" if input.node.a == input.pod.a`, 1, 2_000,
			func(int) string { return `{"a":"b"}` },
			func(i int) string { return fmt.Sprintf(`{"metadata":{"name":"n"},"a":"%d%s%s"}`, i, long, long) }, nil)},
		"node classes, many values": {cache.NodeClasses, place(`reject contains "x" if input.node.a == input.pod.a`, 1, 3_000,
			func(int) string { return `{"a":"b"}` },
			func(i int) string {
				return fmt.Sprintf(`{"metadata":{"name":"n"},"a":[%d%s]}`, i, strings.Repeat(",1", 450))
			}, nil)},
		"node classes, states": {cache.NodeClasses, place(`reject contains "x" if input.state.pods == input.pod.a`, 1, 4_000,
			func(int) string { return `{"a":"b"}` }, func(int) string { return named(1) }, func(i int) *nodes.State {
				return &nodes.State{Pods: []*nodes.Pod{{Name: fmt.Sprint(i, long[:800]), Namespace: "n"}}}
			})},
		"patterns, regular expressions": {cache.Patterns, access(authz+`allow contains "x" if regex.match(input.spec.user, "y")`, 2_000, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d%s"}}`, i, long[:1000])
		})},
		"patterns, repetitions": {cache.Patterns, access(authz+`allow contains "x" if regex.match(input.spec.user, "y")`, 100, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d(abc){1000}(d|e){500}"}}`, i)
		})},
		"patterns, globs": {cache.Patterns, access(authz+`allow contains "x" if glob.match(input.spec.user, ["."], "y")`, 2_000, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":"%d%s"}}`, i, strings.Repeat("a?*{b,c}", 60))
		})},
		"patterns, schemas": {cache.Patterns, access(authz+`allow contains "x" if json.match_schema({}, {"properties": input.spec.user})[0]`, 400, func(i int) string {
			return fmt.Sprintf(`{"spec":{"user":{"a%d":{"type":"string"}%s}}}`, i, strings.Repeat(`,"b":{"type":"object","properties":{"c":{"enum":[1,2]}}}`, 1))
		})},
	} {
		t.Run(name, func(t *testing.T) {
			e := NewEngine(Options{Cache: CacheOptions{Bytes: budget.Bytes, Entries: budget.Entries}}, &observed{})
			cachetest.Flood(t, budget, 0.85, e.CacheStats(), test.cache, func() any {
				test.flood(t, e)
				return e
			})
		})
	}
}
