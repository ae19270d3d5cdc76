package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy/nodes"
)

const tenancyRules = `
unresolvable contains "another tenant's" if input.node.metadata.labels.tenant != "mine"

reject contains "full" if input.state.free.cpu < 500

protect contains "databases stay" if input.victim.labels.app == "db"
`

// withTenants are nodes of this and another tenant, with pods that leave room
// once they are gone, or do not.
func withTenants(tb testing.TB) func(*handlers.Options) {
	tb.Helper()
	c := newCluster(tb, node("mine", "tenant", "mine"), node("full", "tenant", "mine"), node("theirs", "tenant", "theirs"), node("db", "tenant", "mine"))
	return inWholeCluster(c, withVictims, func(c *wholeCluster) {
		for _, name := range []string{"mine", "full", "theirs", "db"} {
			pods := []*nodes.Pod{
				{UID: "uid-web", Name: "web", Requests: map[string]int64{"cpu": 600}},
				{UID: "uid-db", Name: "db", Requests: map[string]int64{"cpu": 600}},
			}
			state := &nodes.State{
				Allocatable: map[string]int64{"cpu": 1000}, Requested: map[string]int64{"cpu": 600}, Pods: pods[:1],
			}
			if name == "full" {
				state.Pods, state.Requested = pods, map[string]int64{"cpu": 1200}
			}
			if name == "db" {
				state.Pods = pods[1:]
			}
			c.states[name] = state
		}
	})
}

// TestPreemptDropsWhatFilterRefuses, in both forms of a call, for the rules of
// the default profile and for those of another.
func TestPreemptDropsWhatFilterRefuses(t *testing.T) {
	const want = `{"NodeNameToMetaVictims":{"mine":{"Pods":[{"UID":"uid-web"}],"NumPDBViolations":3}}}`
	calls := preemptions(
		[]string{"mine", "web"}, []string{"full", "web"}, []string{"theirs", "web"}, []string{"db", "db"}, []string{"unheard-of", "web"},
	)
	for form, body := range calls {
		t.Run(form, func(t *testing.T) {
			s := newService(t, []string{"package kubernetes.scheduling\n" + tenancyRules}, withTenants(t))
			for range 2 {
				if w := s.post(t, "/scheduler/preempt", body); w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("answer is %d\n%s\nwant 200\n%s", w.Code, w.Body, want)
				}
			}
			for outcome, nodes := range map[string]float64{"accepted": 2, "unresolvable": 2, "rejected": 4, "unknown": 2} {
				s.wantMetric(t, nodes, "verdict_scheduling_nodes_total", "profile", "default", "verb", "preempt", "outcome", outcome)
			}
			for _, reason := range []string{"another tenant's", "full", "databases stay"} {
				s.wantMetric(t, 2, "verdict_scheduling_reasons_total", "verb", "preempt", "reason", reason)
			}
			for _, want := range []string{"preemption: nodes dropped", `"unresolvable":1`, `"rejected":2`, `"unknown":1`, "another tenant's", "databases stay"} {
				if !strings.Contains(s.log.String(), want) {
					t.Errorf("the log lacks %s: %s", want, s.log)
				}
			}
		})
		t.Run(form+", a profile", func(t *testing.T) {
			modules := []string{"package kubernetes.scheduling\n", "package kubernetes.scheduler.gpus\n" + tenancyRules}
			s := newService(t, modules, withTenants(t), withProfiles(t, modules, "gpus"))
			if w := s.post(t, "/scheduler/gpus/preempt", body); w.Body.String() != want {
				t.Errorf("the profile answers\n%s\nwant\n%s", w.Body, want)
			}
			if w := s.post(t, "/scheduler/preempt", body); strings.Count(w.Body.String(), `"Pods"`) != 5 {
				t.Errorf("rules of a profile decide for the default one: %s", w.Body)
			}
		})
	}
}

// TestPreemptOfNodesWithoutVictims: Kubernetes 1.38 sends such nodes.
func TestPreemptOfNodesWithoutVictims(t *testing.T) {
	for form, body := range preemptions([]string{"mine"}, []string{"full"}, []string{"theirs"}) {
		t.Run(form, func(t *testing.T) {
			s := newService(t, []string{"package kubernetes.scheduling\n" + strings.ReplaceAll(tenancyRules, "< 500", "< 300")}, withTenants(t))
			const want = `{"NodeNameToMetaVictims":{"mine":{"Pods":[],"NumPDBViolations":3}}}`
			if w := s.post(t, "/scheduler/preempt", body); w.Body.String() != want {
				t.Errorf("answer is %s\nwant %s", w.Body, want)
			}
		})
	}
}

// TestPreemptWithoutCluster: what rules read of nodes is not known then, and
// nobody is evicted.
func TestPreemptWithoutCluster(t *testing.T) {
	body := preemptions([]string{"mine", "web"})["whole"]
	for name, test := range map[string]struct{ rules, want string }{
		"unresolvable by nodes": {`unresolvable contains "x" if input.node.metadata.labels.tenant`, "set cluster.kubeconfig"},
		"reject by states":      {`reject contains "x" if input.state.free.cpu < 3`, "set cluster.kubeconfig"},
		"by the pod alone":      {`reject contains "x" if input.pod.metadata.name == "other"`, `"mine":{"Pods":[{"UID":"uid-web"}]`},
		"by a pod to refuse":    {`unresolvable contains "x" if input.pod.metadata`, `{"NodeNameToMetaVictims":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, []string{"package kubernetes.scheduling\n\n" + test.rules}, func(o *handlers.Options) { o.PodState = readPodState })
			w := s.post(t, "/scheduler/preempt", body)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("answer is %d %s, want 200 and %s", w.Code, w.Body, test.want)
			}
		})
	}
}
