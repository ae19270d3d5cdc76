package handlers_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

var profileModules = []string{
	"package kubernetes.scheduling\n\nreject contains \"default\"\n\nscore.x := 1\n",
	"package kubernetes.scheduler.gpu\n\nreject contains \"gpu\"\n\nscore.x := 2\n",
	"package kubernetes.scheduler.batch\n\nscore.x := 3\n",
}

func TestProfiles(t *testing.T) {
	s := newService(t, profileModules, inCluster(t, node("a")), withProfiles(t, profileModules, "gpu", "batch"))
	for path, want := range map[string]struct {
		reason string
		score  int
	}{"": {"default", 1}, "/gpu": {"gpu", 2}, "/batch": {"", 3}} {
		for form, body := range map[string]string{"NodeNames": namedNodes(t, "a"), "Nodes": wholeNodes(tenantPod, node("a"))} {
			var filtered extenderv1.ExtenderFilterResult
			s.ask(t, "/scheduler"+path+"/filter", body, &filtered)
			if got := filtered.FailedNodes["a"]; got != want.reason || filtered.Error != "" {
				t.Errorf("%s%s: refused for %q, Error %q, want %q", path, form, got, filtered.Error, want.reason)
			}
			if w := s.post(t, "/scheduler"+path+"/prioritize", body); w.Body.String() != fmt.Sprintf(`[{"Host":"a","Score":%d}]`, want.score) {
				t.Errorf("%s%s: scores %s, want %d", path, form, w.Body, want.score)
			}
		}
	}
	s.wantMetric(t, 2, "verdict_scheduling_reasons_total", "profile", "gpu", "verb", "filter", "reason", "gpu")
	s.wantMetric(t, 2, "verdict_scheduling_nodes_total", "profile", "batch", "verb", "filter", "outcome", "accepted")
	s.wantMetric(t, 2, "verdict_scheduling_duration_seconds", "profile", "batch", "verb", "filter")
}

// TestUnknownProfile: it is never decided by another one's rules.
func TestUnknownProfile(t *testing.T) {
	s := newService(t, profileModules, inCluster(t, node("a")), withProfiles(t, profileModules, "gpu"))
	for _, name := range []string{"batch", "GPU", "default", "(unknown)", "%22", strings.Repeat("x", 5000)} {
		var filtered extenderv1.ExtenderFilterResult
		s.ask(t, "/scheduler/"+name+"/filter", namedNodes(t, "a"), &filtered)
		if !strings.Contains(filtered.Error, "there is no profile") || len(filtered.Error) > 300 || len(filtered.FailedNodes) > 0 || filtered.NodeNames != nil {
			t.Errorf("%.20s: %+v", name, filtered)
		}
		if w := s.post(t, "/scheduler/"+name+"/prioritize", namedNodes(t, "a")); w.Body.String() != `[{"Host":"a","Score":0}]` {
			t.Errorf("%.20s: scores %s", name, w.Body)
		}
	}
	s.wantMetric(t, 12, "verdict_policy_errors_total", "kind", "profile")
	s.wantMetric(t, 6, "verdict_scheduling_duration_seconds", "profile", "(unknown)", "verb", "filter")
	t.Run("a call that is none", func(t *testing.T) {
		wantStatus(t, s.post(t, "/scheduler/batch/filter", `{}`), http.StatusBadRequest, "Pod: is missing")
	})
}

func TestStaleCluster(t *testing.T) {
	byState := "package kubernetes.scheduling\n\nreject contains \"full\" if input.state.free.cpu < 1\n\nscore.x := 1 if not input.state.free.cpu\n"
	stale := inWholeCluster(newCluster(t, node("a")), func(c *wholeCluster) { c.stale = errors.New("nothing was heard for an hour") })
	for name, test := range map[string]struct {
		policy, body string
		wantError    bool
	}{
		"names":                           {placementPolicy, namedNodes(t, "a"), true},
		"whole nodes":                     {placementPolicy, wholeNodes(tenantPod, node("a")), false},
		"whole nodes, by a rule of state": {byState, wholeNodes(tenantPod, node("a")), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, []string{test.policy}, stale)
			var filtered extenderv1.ExtenderFilterResult
			s.ask(t, "/scheduler/filter", test.body, &filtered)
			if (filtered.Error == "nothing was heard for an hour") != test.wantError {
				t.Errorf("Error is %q", filtered.Error)
			}
			s.post(t, "/scheduler/prioritize", test.body)
			want := 0.0
			if test.wantError {
				want = 2
			}
			s.wantMetric(t, want, "verdict_policy_errors_total", "kind", "stale")
		})
	}
}

// TestWholeNodesAreRecognized: a node that the cluster has too is decided with
// its state, and goes back as it came.
func TestWholeNodesAreRecognized(t *testing.T) {
	const byState = `package kubernetes.scheduling

reject contains sprintf("%d free", [input.state.free.cpu]) if input.node.metadata.labels.pool == "a"

reject contains sprintf("%d free in b", [input.state.free.cpu]) if input.node.metadata.labels.pool == "b"

reject contains "not known" if not input.state.free.cpu

score.cpu := input.state.free.cpu
`
	known := node("known", "pool", "a")
	s := newService(t, []string{byState}, inWholeCluster(newCluster(t, known, node("changed", "pool", "a")), func(c *wholeCluster) {
		for _, name := range []string{"known", "changed"} {
			c.states[name] = &nodes.State{Allocatable: map[string]int64{"cpu": 7}}
		}
	}))
	body := wholeNodes(tenantPod, strings.Replace(known, "{", `{"later": 1,`, 1), node("changed", "pool", "b"), node("simulated", "pool", "a"))
	var filtered extenderv1.ExtenderFilterResult
	s.ask(t, "/scheduler/filter", body, &filtered)
	for name, want := range map[string]string{"known": "7 free", "changed": "7 free in b", "simulated": "not known"} {
		if got := filtered.FailedNodes[name]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	const scores = `[{"Host":"known","Score":7},{"Host":"changed","Score":7},{"Host":"simulated","Score":0}]`
	if w := s.post(t, "/scheduler/prioritize", body); w.Body.String() != scores {
		t.Errorf("scores %s, want %s: they read nothing of the node itself", w.Body, scores)
	}
	t.Run("before the cluster was read", func(t *testing.T) {
		c := newCluster(t)
		c.ready = errors.New("listing")
		s := newService(t, []string{byState}, inWholeCluster(c))
		wantStatus(t, s.post(t, "/scheduler/filter", body), http.StatusServiceUnavailable, "have not been read yet")
	})
}

// TestReasonsInMetricsAreBounded: policies make up reasons.
func TestReasonsInMetricsAreBounded(t *testing.T) {
	const many = `package kubernetes.scheduling

reject contains sprintf("reason %v", [i]) if some i in numbers.range(1, 130)

unresolvable contains concat("", [base64.decode("gA=="), "odd"])
`
	s := newService(t, []string{many}, inCluster(t, node("a"), node("b")))
	for range 2 {
		s.post(t, "/scheduler/filter", namedNodes(t, "a", "b"))
	}
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, family := range families {
		if family.GetName() == "verdict_scheduling_reasons_total" {
			series = len(family.GetMetric())
		}
	}
	if series != 101 {
		t.Errorf("%d series, want those of 100 reasons and other", series)
	}
	s.wantMetric(t, 4*131, "verdict_scheduling_reasons_total", "profile", "default")
	s.wantMetric(t, 4*31, "verdict_scheduling_reasons_total", "reason", "other")
}

func TestAssumedPodsInMetrics(t *testing.T) {
	s := newService(t, profileModules, func(o *handlers.Options) {
		o.Metrics.WatchAssumed(func() scheduling.AssumedStats {
			return scheduling.AssumedStats{Assumed: 1, Confirmed: 2, Expired: 3, Forgotten: 4}
		})
	})
	s.wantMetric(t, 1, "verdict_scheduling_assumed_pods")
	for how, want := range map[string]float64{"confirmed": 2, "expired": 3, "forgotten": 4} {
		s.wantMetric(t, want, "verdict_scheduling_assumed_pods_ended_total", "how", how)
	}
}
