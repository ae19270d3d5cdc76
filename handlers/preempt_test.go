package handlers_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy/nodes"
)

const protectPolicy = `package kubernetes.scheduling

protect contains "databases stay" if input.victim.labels.app == "db"

protect contains "odd" if to_number(input.victim.labels.size) > 3
`

// victims are the same pods in both forms: a database, one that is none, and
// one that the policy fails for.
var wholeVictims = map[string]string{
	"db":  `{"metadata":{"name":"db","uid":"uid-db","labels":{"app":"db"}},"spec":{"priority":7}}`,
	"web": `{"metadata":{"name":"web","uid":"uid-web","labels":{"app":"web"}}}`,
	"odd": `{"metadata":{"name":"odd","uid":"uid-odd","labels":{"size":"big"}}}`,
}

func withVictims(c *wholeCluster) {
	for _, text := range wholeVictims {
		pod, err := readPodState([]byte(text))
		if err != nil {
			panic(err)
		}
		c.pods[pod.UID] = pod
	}
}

// preemptions is a call in both forms; each node is its name and its victims.
func preemptions(nodes ...[]string) map[string]string {
	var whole, meta []string
	for _, node := range nodes {
		var pods, uids []string
		for _, name := range node[1:] {
			text, ok := wholeVictims[name]
			if !ok {
				text = `{"metadata":{"uid":"uid-` + name + `"}}`
			}
			pods, uids = append(pods, text), append(uids, `{"UID":"uid-`+name+`"}`)
		}
		whole = append(whole, `"`+node[0]+`":{"Pods":[`+strings.Join(pods, ",")+`],"NumPDBViolations":3}`)
		meta = append(meta, `"`+node[0]+`":{"Pods":[`+strings.Join(uids, ",")+`],"NumPDBViolations":3}`)
	}
	return map[string]string{
		"whole": `{"Pod":` + tenantPod + `,"NodeNameToVictims":{` + strings.Join(whole, ",") + `},"NodeNameToMetaVictims":null}`,
		"meta":  `{"Pod":` + tenantPod + `,"NodeNameToVictims":null,"NodeNameToMetaVictims":{` + strings.Join(meta, ",") + `}}`,
	}
}

func TestPreempt(t *testing.T) {
	for form, body := range preemptions(
		[]string{"free", "web"}, []string{"kept", "web", "db"}, []string{"odd", "odd"}, []string{"empty"}, []string{"two", "web", "web"},
	) {
		t.Run(form, func(t *testing.T) {
			s := newService(t, []string{protectPolicy}, inWholeCluster(newCluster(t, node("free"), node("kept")), withVictims))
			const want = `{"NodeNameToMetaVictims":{` +
				`"free":{"Pods":[{"UID":"uid-web"}],"NumPDBViolations":3},` +
				`"empty":{"Pods":[],"NumPDBViolations":3},` +
				`"two":{"Pods":[{"UID":"uid-web"},{"UID":"uid-web"}],"NumPDBViolations":3}}}`
			if w := s.post(t, "/scheduler/preempt", body); w.Code != http.StatusOK || w.Body.String() != want {
				t.Errorf("answer is %d\n%s\nwant 200\n%s", w.Code, w.Body, want)
			}
			s.wantMetric(t, 3, "verdict_scheduling_nodes_total", "profile", "default", "verb", "preempt", "outcome", "accepted")
			s.wantMetric(t, 1, "verdict_scheduling_nodes_total", "verb", "preempt", "outcome", "rejected")
			s.wantMetric(t, 1, "verdict_scheduling_nodes_total", "verb", "preempt", "outcome", "error")
			s.wantMetric(t, 1, "verdict_policy_errors_total", "verb", "preempt", "kind", "policy")
			s.wantMetric(t, 1, "verdict_scheduling_reasons_total", "profile", "default", "verb", "preempt", "reason", "databases stay")
			s.wantMetric(t, 1, "verdict_decisions_total", "verb", "preempt", "outcome", "accepted")
			if !strings.Contains(s.log.String(), "eval_builtin_error") {
				t.Errorf("the error, which the scheduler never sees, is not in the log: %s", s.log)
			}
		})
	}
}

func TestPreemptWireForm(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"null Pods":             {`{"Pod":{},"NodeNameToMetaVictims":{"a":{"Pods":null}}}`, `{"NodeNameToMetaVictims":{"a":{"Pods":[],"NumPDBViolations":0}}}`},
		"null violations":       {`{"Pod":{},"NodeNameToMetaVictims":{"a":{"Pods":[],"NumPDBViolations":null}}}`, `{"NodeNameToMetaVictims":{"a":{"Pods":[],"NumPDBViolations":0}}}`},
		"negative violations":   {`{"Pod":{},"NodeNameToMetaVictims":{"a":{"NumPDBViolations":-1}}}`, `{"NodeNameToMetaVictims":{"a":{"Pods":[],"NumPDBViolations":-1}}}`},
		"no nodes":              {`{"Pod":{},"NodeNameToMetaVictims":{}}`, `{"NodeNameToMetaVictims":{}}`},
		"keys of another case":  {`{"pod":{},"nodenametometavictims":{"a":{"pods":[{"uid":"uid-web"}],"numpdbviolations":1}},"nodeNameToVictims":null}`, `{"NodeNameToMetaVictims":{"a":{"Pods":[{"UID":"uid-web"}],"NumPDBViolations":1}}}`},
		"an unknown UID":        {`{"Pod":{},"NodeNameToMetaVictims":{"a":{"Pods":[{"UID":"gone"}]}}}`, `{"NodeNameToMetaVictims":{}}`},
		"names with escapes":    {`{"Pod":{},"NodeNameToMetaVictims":{"\u0061\"<":{"Pods":[{"UID":"uid-w\u0065b"}]}}}`, `{"NodeNameToMetaVictims":{"a\"<":{"Pods":[{"UID":"uid-web"}],"NumPDBViolations":0}}}`},
		"unknown fields":        {`{"Pod":{},"Later":1,"NodeNameToMetaVictims":{"a":{"Later":[null]}}}`, `{"NodeNameToMetaVictims":{"a":{"Pods":[],"NumPDBViolations":0}}}`},
		"whole, of a bare node": {`{"Pod":{},"NodeNameToVictims":{"a":{}}}`, `{"NodeNameToMetaVictims":{"a":{"Pods":[],"NumPDBViolations":0}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, []string{protectPolicy}, inWholeCluster(newCluster(t), withVictims))
			if w := s.post(t, "/scheduler/preempt", test.body); w.Code != http.StatusOK || w.Body.String() != test.want {
				t.Errorf("answer is %d\n%s\nwant 200\n%s", w.Code, w.Body, test.want)
			}
		})
	}
}

// TestPreemptThatCannotBeDecided: no node is left, and nobody is evicted.
func TestPreemptThatCannotBeDecided(t *testing.T) {
	both := preemptions([]string{"free", "web"})
	byState := "package kubernetes.scheduling\n\nprotect contains \"x\" if input.state.free.cpu > 3\n"
	for name, test := range map[string]struct {
		policy, form, path, want string
		change                   func(*handlers.Options)
	}{
		"UIDs without a cluster":           {protectPolicy, "meta", "", "set cluster.kubeconfig", func(*handlers.Options) {}},
		"states without a cluster":         {byState, "whole", "", "read input.node or input.state", func(o *handlers.Options) { o.PodState = readPodState }},
		"whole victims that nothing reads": {protectPolicy, "whole", "", "nodeCacheCapable", func(*handlers.Options) {}},
		"a stale cluster":                  {protectPolicy, "meta", "", "an hour ago", inWholeCluster(newCluster(t, node("free")), withVictims, func(c *wholeCluster) { c.stale = errors.New("last heard of an hour ago") })},
		"an unknown profile":               {protectPolicy, "whole", "/gpu", `there is no profile "gpu"`, inWholeCluster(newCluster(t, node("free")), withVictims)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, []string{test.policy}, test.change)
			w := s.post(t, "/scheduler"+test.path+"/preempt", both[test.form])
			var answer struct {
				NodeNameToMetaVictims map[string]any
				Error                 string
			}
			decodeStrict(t, w.Body.Bytes(), &answer)
			if w.Code != http.StatusOK || answer.NodeNameToMetaVictims == nil || len(answer.NodeNameToMetaVictims) > 0 {
				t.Errorf("answer is %d %s, want 200 and no node", w.Code, w.Body)
			}
			if !strings.Contains(answer.Error, test.want) || !strings.Contains(s.log.String(), "no decision") {
				t.Errorf("Error is %q, want %q, and a line in the log: %s", answer.Error, test.want, s.log)
			}
			s.wantMetric(t, 1, "verdict_decisions_total", "verb", "preempt", "outcome", "error")
		})
	}
	t.Run("before the cluster was read", func(t *testing.T) {
		c := newCluster(t)
		c.ready = errors.New("listing")
		s := newService(t, []string{protectPolicy}, inWholeCluster(c))
		wantStatus(t, s.post(t, "/scheduler/preempt", both["meta"]), http.StatusServiceUnavailable, "have not been read yet")
	})
	t.Run("without a revision", func(t *testing.T) {
		s := newService(t, nil, inWholeCluster(newCluster(t)))
		wantStatus(t, s.post(t, "/scheduler/preempt", both["whole"]), http.StatusServiceUnavailable, "no policy revision")
	})
}

// TestPreemptSeesTheNode: protect rules see the node and its state.
func TestPreemptSeesTheNode(t *testing.T) {
	const byNode = `package kubernetes.scheduling

protect contains "x" if {
	input.node.metadata.labels.calm == "yes"
	input.state.free.cpu > 100
	input.victim.priority < 100
}`
	for form, body := range preemptions([]string{"calm", "db"}, []string{"busy", "db"}, []string{"calmBusy", "db"}, []string{"unknown", "db"}) {
		t.Run(form, func(t *testing.T) {
			c := newCluster(t, node("calm", "calm", "yes"), node("busy"), node("calmBusy", "calm", "yes"))
			s := newService(t, []string{byNode}, inWholeCluster(c, withVictims, func(c *wholeCluster) {
				c.states["calm"] = &nodes.State{Allocatable: map[string]int64{"cpu": 1000}}
				c.states["calmBusy"] = &nodes.State{Allocatable: map[string]int64{"cpu": 50}}
			}))
			const want = `{"NodeNameToMetaVictims":{"busy":{"Pods":[{"UID":"uid-db"}],"NumPDBViolations":3},"calmBusy":{"Pods":[{"UID":"uid-db"}],"NumPDBViolations":3}}}`
			if w := s.post(t, "/scheduler/preempt", body); w.Body.String() != want {
				t.Errorf("answer is %s\nwant %s", w.Body, want)
			}
			s.wantMetric(t, 1, "verdict_scheduling_nodes_total", "verb", "preempt", "outcome", "unknown")
		})
	}
}
