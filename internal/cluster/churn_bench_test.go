package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// unconcerned is a policy.Observer.
type unconcerned struct{}

// RevisionLoaded implements policy.Observer.
func (unconcerned) RevisionLoaded(*policy.Revision, time.Duration) {}

// RevisionRefused implements policy.Observer.
func (unconcerned) RevisionRefused(error) {}

// A filter call that names all nodes, with 10 pods each, for pods of 20 kinds, in
// calm and with two pods that came and two that went since the last one.
func BenchmarkFilterWhilePodsComeAndGo(b *testing.B) {
	for name, rule := range map[string]string{
		"free": `reject contains "full" if input.state.free.cpu < 500`,
		"pods": `reject contains "noisy" if {
	some neighbour in input.state.pods
	neighbour.labels["example.com/noisy"] == "true"
}`,
	} {
		for _, nodes := range []int{500, 5000} {
			c := newChurned(b, nodes, rule)
			for range 2 * len(c.pods) {
				c.filter(b)
			}
			for _, churn := range []int{0, 2} {
				b.Run(fmt.Sprintf("%s/%d/%d", name, nodes, churn), func(b *testing.B) {
					c.calls, c.evaluations = 0, 0
					for b.Loop() {
						c.churn(b, churn)
						c.filter(b)
					}
					b.ReportMetric(float64(c.evaluations)/float64(c.calls), "evaluations/op")
				})
			}
		}
	}
}

// churned is a state that a policy is asked about while pods come and go.
type churned struct {
	engine *policy.Engine
	state  *State
	feed   *podFeed
	names  [][]byte
	pods   []document.Value // to be placed

	coming             []*corev1.Pod
	created            int
	calls, evaluations int
}

func newChurned(b *testing.B, nodes int, rule string) *churned {
	b.Helper()
	c := &churned{engine: policy.NewEngine(policy.Options{Cache: policy.CacheOptions{Bytes: 48 << 20, Entries: 200_000}}, unconcerned{})}
	module := `package kubernetes.scheduling

reject contains "kept off" if input.pod.metadata.annotations.keep == "off"

` + rule
	content := policy.Content{Modules: []policy.Module{{Path: "p.rego", Source: []byte(module)}}}
	if err := c.engine.Load(context.Background(), content); err != nil {
		b.Fatal(err)
	}
	c.state, c.feed = benchState(b, nodes, 10, c.engine.ReadsState())
	c.state.options.Classify = c.engine.Classify
	for i := range nodes {
		c.names = append(c.names, fmt.Append(nil, "node-", i))
	}
	for i := range 20 {
		parsed, err := document.ParseObject(fmt.Appendf(nil, `{"metadata":{"name":"p","annotations":{"keep":"%d"}}}`, i))
		if err != nil {
			b.Fatal(err)
		}
		c.pods = append(c.pods, parsed.Root())
	}
	return c
}

// churn lets so many pods come, and as many go.
func (c *churned) churn(b *testing.B, pods int) {
	for range pods {
		come := pod(fmt.Sprint("more-", c.created), fmt.Sprint("node-", c.created*7919%len(c.names)), "250m")
		c.created++
		c.coming = append(c.coming, come)
		if err := c.feed.Add(come); err != nil {
			b.Fatal(err)
		}
		if len(c.coming) <= 100 {
			continue
		}
		if err := c.feed.Delete(c.coming[0]); err != nil {
			b.Fatal(err)
		}
		c.coming = c.coming[1:]
	}
}

func (c *churned) filter(b *testing.B) {
	profile := c.engine.View().DefaultProfile()
	list := make([]*nodes.Node, len(c.names))
	c.state.Find(c.names, list)
	_, sharing, err := scheduling.Filter(b.Context(), profile, c.pods[c.calls%len(c.pods)], list)
	if err != nil {
		b.Fatal(err)
	}
	c.calls++
	c.evaluations += sharing.Evaluations
}
