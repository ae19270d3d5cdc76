package handlers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/handlers"
)

// placementPolicy decides by the labels of a node.
const placementPolicy = `package kubernetes.scheduling

labels := object.get(input.node.metadata, "labels", {})

reject contains "the node is full" if labels.full == "yes"

reject contains "the node is busy" if labels.busy == "yes"

unresolvable contains "the node is another tenant's" if labels.tenant != input.pod.metadata.annotations.tenant

reject contains "odd" if to_number(labels.odd) > 0

score["base"] := to_number(labels.score)

score["bonus"] := to_number(labels.bonus)
`

const tenantPod = `{"metadata":{"name":"p","namespace":"shop","creationTimestamp":null,"annotations":{"tenant":"red"}},"spec":{"containers":null},"status":{}}`

// node is a v1 Node with the labels, name and value by turns.
func node(name string, labels ...string) string {
	pairs := make([]string, 0, len(labels)/2)
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%q:%q", labels[i], labels[i+1]))
	}
	return fmt.Sprintf(`{"metadata":{"name":%q,"labels":{%s}},"spec":{},"status":{"capacity":{"cpu":"4"}}}`, name, strings.Join(pairs, ","))
}

// wholeNodes is an extender call in the Nodes form.
func wholeNodes(pod string, nodes ...string) string {
	return `{"Pod":` + pod + `,"Nodes":{"metadata":{},"items":[` + strings.Join(nodes, ",") + `]},"NodeNames":null}`
}

// namedNodes is an extender call for tenantPod in the NodeNames form.
func namedNodes(t testing.TB, names ...string) string {
	t.Helper()
	if names == nil {
		names = []string{}
	}
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return `{"Pod":` + tenantPod + `,"Nodes":null,"NodeNames":` + string(list) + `}`
}

// inCluster connects the service to the nodes.
func inCluster(t testing.TB, nodes ...string) func(*handlers.Options) {
	t.Helper()
	c := newCluster(t, nodes...)
	return func(o *handlers.Options) { o.Nodes = c }
}

// filterCase is what Filter is asked and says of one node.
type filterCase struct {
	node                      string
	failed, unresolvable      string
	outcome                   string
	accepted, failedIsPartial bool
}

func filterCases() map[string]filterCase {
	return map[string]filterCase{
		"fit":              {node: node("fit", "tenant", "red"), accepted: true, outcome: "accepted"},
		"unlabelled":       {node: node("unlabelled"), accepted: true, outcome: "accepted"},
		"full":             {node: node("full", "full", "yes"), failed: "the node is full", outcome: "rejected"},
		"full-busy":        {node: node("full-busy", "full", "yes", "busy", "yes"), failed: "the node is busy; the node is full", outcome: "rejected"},
		"foreign":          {node: node("foreign", "tenant", "blue"), unresolvable: "the node is another tenant's", outcome: "unresolvable"},
		"foreign-and-full": {node: node("foreign-and-full", "tenant", "blue", "full", "yes"), unresolvable: "the node is another tenant's; the node is full", outcome: "unresolvable"},
		"broken":           {node: node("broken", "odd", "x"), failed: "policy error: policies/a.rego:11:", failedIsPartial: true, outcome: "error"},
	}
}

func TestFilterInBothForms(t *testing.T) {
	cases := filterCases()
	names := slices.Sorted(maps.Keys(cases))
	var nodes, accepted []string
	for _, name := range names {
		nodes = append(nodes, cases[name].node)
		if cases[name].accepted {
			accepted = append(accepted, name)
		}
	}
	forms := map[string]string{
		"Nodes":     wholeNodes(tenantPod, nodes...),
		"NodeNames": namedNodes(t, names...),
	}
	for form, body := range forms {
		t.Run(form, func(t *testing.T) {
			s := newService(t, []string{placementPolicy}, inCluster(t, nodes...))
			var result extenderv1.ExtenderFilterResult
			s.ask(t, "/scheduler/filter", body, &result)
			if result.Error != "" {
				t.Fatalf("Error is %q: one node's fault is not the call's", result.Error)
			}
			var got []string
			switch {
			case form == "Nodes" && (result.Nodes == nil || result.NodeNames != nil),
				form == "NodeNames" && (result.Nodes != nil || result.NodeNames == nil):
				t.Fatalf("answered in another form than %s: %+v", form, result)
			case form == "Nodes":
				for _, item := range result.Nodes.Items {
					got = append(got, item.Name)
				}
			default:
				got = *result.NodeNames
			}
			if !slices.Equal(got, accepted) {
				t.Errorf("accepted %q, want %q in the order asked", got, accepted)
			}
			outcomes := map[string]float64{}
			for name, c := range cases {
				outcomes[c.outcome]++
				failed := result.FailedNodes[name]
				if c.failedIsPartial {
					if !strings.HasPrefix(failed, c.failed) {
						t.Errorf("FailedNodes[%s] is %q, want it to begin with %q", name, failed, c.failed)
					}
				} else if failed != c.failed {
					t.Errorf("FailedNodes[%s] is %q, want %q", name, failed, c.failed)
				}
				if got := result.FailedAndUnresolvableNodes[name]; got != c.unresolvable {
					t.Errorf("FailedAndUnresolvableNodes[%s] is %q, want %q", name, got, c.unresolvable)
				}
			}
			if total := len(got) + len(result.FailedNodes) + len(result.FailedAndUnresolvableNodes); total != len(cases) {
				t.Errorf("the answer names %d nodes, want each of %d once", total, len(cases))
			}
			for outcome, want := range outcomes {
				s.wantMetric(t, want, "verdict_scheduling_nodes_total", "verb", "filter", "outcome", outcome)
			}
			s.wantMetric(t, 1, "verdict_policy_errors_total", "point", "scheduling", "verb", "filter", "kind", "policy")
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "scheduling", "verb", "filter", "outcome", "accepted")
			if !strings.Contains(s.log.String(), "policies/a.rego:11:") {
				t.Errorf("the log does not say where the policy failed: %s", s.log)
			}
		})
	}
}

func TestFilterWireForm(t *testing.T) {
	tests := []struct {
		name, body, want string
	}{
		{
			"names, one accepted and one refused", namedNodes(t, "fit", "full"),
			`{"Nodes":null,"NodeNames":["fit"],"FailedNodes":{"full":"the node is full"},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"names, none accepted: null without Nodes would mean the same, [] is plainer", namedNodes(t, "full"),
			`{"Nodes":null,"NodeNames":[],"FailedNodes":{"full":"the node is full"},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"no names", namedNodes(t),
			`{"Nodes":null,"NodeNames":[],"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"nodes, one accepted", wholeNodes(tenantPod, `{"metadata":{"name":"a"}}`),
			`{"Nodes":{"metadata":{},"items":[{"metadata":{"name":"a"}}]},"NodeNames":null,"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"no nodes", wholeNodes(tenantPod),
			`{"Nodes":{"metadata":{},"items":[]},"NodeNames":null,"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"null items", `{"Pod":` + tenantPod + `,"Nodes":{"items":null}}`,
			`{"Nodes":{"metadata":{},"items":[]},"NodeNames":null,"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"keys of another case", `{"pod":` + tenantPod + `,"NODES":null,"nodenames":["fit"]}`,
			`{"Nodes":null,"NodeNames":["fit"],"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"items of another case", `{"pOD":` + tenantPod + `,"nodes":{"Items":[{"metadata":{"name":"a"}}]}}`,
			`{"Nodes":{"metadata":{},"items":[{"metadata":{"name":"a"}}]},"NodeNames":null,"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"an unused form that is absent", `{"Pod":` + tenantPod + `,"NodeNames":["fit"]}`,
			`{"Nodes":null,"NodeNames":["fit"],"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"unknown fields", `{"Pod":` + tenantPod + `,"NodeNames":["fit"],"Later":[1,{}]}`,
			`{"Nodes":null,"NodeNames":["fit"],"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`,
		},
		{
			"an unknown name", namedNodes(t, "fit", "gone"),
			`{"Nodes":null,"NodeNames":["fit"],"FailedNodes":{},"FailedAndUnresolvableNodes":{"gone":"node not yet known to verdict"},"Error":""}`,
		},
		{
			"a name that looks like a path", namedNodes(t, "../fit"),
			`{"Nodes":null,"NodeNames":[],"FailedNodes":{},"FailedAndUnresolvableNodes":{"../fit":"node not yet known to verdict"},"Error":""}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, []string{placementPolicy}, inCluster(t, node("fit"), node("full", "full", "yes")))
			w := s.post(t, "/scheduler/filter", tt.body)
			if w.Code != http.StatusOK || w.Body.String() != tt.want {
				t.Errorf("answer is %d\n%s\nwant 200\n%s", w.Code, w.Body, tt.want)
			}
			var result extenderv1.ExtenderFilterResult
			decodeStrict(t, w.Body.Bytes(), &result)
		})
	}
}

func TestFilterNodesGoBackUnchanged(t *testing.T) {
	nodes := []string{
		`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","resourceVersion":"18446744073709551615","managedFields":[{"fieldsV1":{"f:status":{}}}]},"fromTheFuture":{"deep":[1,2.50,1e3,-0,null,true,{"x":[]}]}}`,
		`{ "metadata" : { "name" : "b" , "annotations" : { "html" : "<a href='x'>&\u2028\u0026" , "emoji" : "\ud83d\ude00" , "é" : "\t\n\"\\\/" } } , "spec" : null }`,
		`{"metadata":{"name":"c"},"big":12345678901234567890123456789,"small":0.1234567890123456789012345}`,
	}
	s := newService(t, []string{placementPolicy})
	w := s.post(t, "/scheduler/filter", wholeNodes(tenantPod, append(slices.Clone(nodes), node("full", "full", "yes"))...))
	var result struct {
		Nodes struct{ Items []json.RawMessage }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &result); err != nil {
		t.Fatalf("%v; body: %s", err, w.Body)
	}
	if len(result.Nodes.Items) != len(nodes) {
		t.Fatalf("%d nodes came back, want %d", len(result.Nodes.Items), len(nodes))
	}
	for i, sent := range nodes {
		if got, want := withNumbers(t, string(result.Nodes.Items[i])), withNumbers(t, sent); !reflect.DeepEqual(got, want) {
			t.Errorf("node %d came back as\n%v\nwant\n%v", i, got, want)
		}
	}
}

// withNumbers decodes JSON and keeps its numbers as they are written.
func withNumbers(t *testing.T, source string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(source))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPolicySeesPodAndNodeWhole(t *testing.T) {
	const showing = `package kubernetes.scheduling

reject contains json.marshal(input)
`
	const sent = `{"metadata":{"name":"a"},"fromTheFuture":[1]}`
	forms := map[string]string{
		"Nodes":     wholeNodes(tenantPod, sent),
		"NodeNames": namedNodes(t, "a"),
	}
	for form, body := range forms {
		t.Run(form, func(t *testing.T) {
			s := newService(t, []string{showing}, inCluster(t, sent))
			var result extenderv1.ExtenderFilterResult
			s.ask(t, "/scheduler/filter", body, &result)
			want := withNumbers(t, `{"pod":`+tenantPod+`,"node":`+sent+`}`)
			if got := withNumbers(t, result.FailedNodes["a"]); !reflect.DeepEqual(got, want) {
				t.Errorf("input is\n%v\nwant\n%v", got, want)
			}
		})
	}
}

func TestPrioritizeScores(t *testing.T) {
	tests := []struct {
		name        string
		base, bonus string // "" gives no such score
		want        int64
	}{
		{"no score", "", "", 0},
		{"one score", "3", "", 3},
		{"a sum", "3", "4", 7},
		{"above ten", "8", "7", 10},
		{"far above", "1e300", "1e300", 10},
		{"below zero", "-4", "", 0},
		{"a sum that comes back into range", "15", "-9", 6},
		{"half is rounded up", "5.5", "", 6},
		{"less than half is rounded down", "5.49", "", 5},
		{"rounded after the sum", "1.3", "1.3", 3},
		{"just below ten", "9.6", "", 10},
		{"minus a half", "-0.5", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var labels []string
			if tt.base != "" {
				labels = append(labels, "score", tt.base)
			}
			if tt.bonus != "" {
				labels = append(labels, "bonus", tt.bonus)
			}
			scored := node("n", labels...)
			s := newService(t, []string{placementPolicy}, inCluster(t, scored))
			for form, body := range map[string]string{
				"Nodes":     wholeNodes(tenantPod, scored),
				"NodeNames": namedNodes(t, "n"),
			} {
				w := s.post(t, "/scheduler/prioritize", body)
				if want := fmt.Sprintf(`[{"Host":"n","Score":%d}]`, tt.want); w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("%s: answer is %d %s, want 200 %s", form, w.Code, w.Body, want)
				}
				var list extenderv1.HostPriorityList
				decodeStrict(t, w.Body.Bytes(), &list)
			}
			s.wantMetric(t, 2, "verdict_decisions_total", "point", "scheduling", "verb", "prioritize", "outcome", "scored")
		})
	}
}

func TestPrioritizeKeepsTheOrderAndScoresFailedNodesZero(t *testing.T) {
	nodes := []string{node("z", "score", "9"), node("broken", "score", "many"), node("a", "score", "2")}
	want := extenderv1.HostPriorityList{{Host: "z", Score: 9}, {Host: "broken", Score: 0}, {Host: "a", Score: 2}}
	t.Run("Nodes", func(t *testing.T) {
		s := newService(t, []string{placementPolicy})
		var list extenderv1.HostPriorityList
		s.ask(t, "/scheduler/prioritize", wholeNodes(tenantPod, nodes...), &list)
		if !reflect.DeepEqual(list, want) {
			t.Errorf("list is %v, want %v", list, want)
		}
		s.wantMetric(t, 1, "verdict_policy_errors_total", "point", "scheduling", "verb", "prioritize", "kind", "policy")
		s.wantMetric(t, 1, "verdict_scheduling_nodes_total", "verb", "prioritize", "outcome", "error")
		s.wantMetric(t, 2, "verdict_scheduling_nodes_total", "verb", "prioritize", "outcome", "scored")
		if !strings.Contains(s.log.String(), "eval_builtin_error") {
			t.Errorf("the error, which the scheduler never shows, is not in the log: %s", s.log)
		}
	})
	t.Run("NodeNames, one of them unknown", func(t *testing.T) {
		s := newService(t, []string{placementPolicy}, inCluster(t, nodes[0], nodes[2]))
		var list extenderv1.HostPriorityList
		s.ask(t, "/scheduler/prioritize", namedNodes(t, "z", "broken", "a"), &list)
		if !reflect.DeepEqual(list, want) {
			t.Errorf("list is %v, want %v", list, want)
		}
	})
	t.Run("no nodes", func(t *testing.T) {
		s := newService(t, []string{placementPolicy}, inCluster(t))
		for _, body := range []string{wholeNodes(tenantPod), namedNodes(t)} {
			if w := s.post(t, "/scheduler/prioritize", body); w.Code != http.StatusOK || w.Body.String() != `[]` {
				t.Errorf("answer is %d %s, want 200 []", w.Code, w.Body)
			}
		}
	})
}

func TestNamesWithoutACluster(t *testing.T) {
	body := namedNodes(t, "a", "b")
	t.Run("filter says so", func(t *testing.T) {
		s := newService(t, []string{placementPolicy})
		var result extenderv1.ExtenderFilterResult
		s.ask(t, "/scheduler/filter", body, &result)
		if !strings.Contains(result.Error, "not connected to a cluster") || !strings.Contains(result.Error, "cluster.kubeconfig") {
			t.Errorf("Error is %q, want what is missing and the setting that gives it", result.Error)
		}
		if result.Nodes != nil || result.NodeNames != nil {
			t.Errorf("an answer with an Error accepts nodes: %+v", result)
		}
		s.wantMetric(t, 1, "verdict_decisions_total", "point", "scheduling", "verb", "filter", "outcome", "error")
	})
	t.Run("prioritize gives zeros, and the log says why", func(t *testing.T) {
		s := newService(t, []string{placementPolicy})
		if w, want := s.post(t, "/scheduler/prioritize", body), `[{"Host":"a","Score":0},{"Host":"b","Score":0}]`; w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("answer is %d %s, want 200 %s", w.Code, w.Body, want)
		}
		s.wantMetric(t, 1, "verdict_decisions_total", "point", "scheduling", "verb", "prioritize", "outcome", "error")
		if !strings.Contains(s.log.String(), "not connected to a cluster") {
			t.Errorf("the log does not say why: %s", s.log)
		}
	})
	t.Run("whole nodes need none", func(t *testing.T) {
		s := newService(t, []string{placementPolicy})
		var result extenderv1.ExtenderFilterResult
		s.ask(t, "/scheduler/filter", wholeNodes(tenantPod, node("a")), &result)
		if result.Error != "" || result.Nodes == nil || len(result.Nodes.Items) != 1 {
			t.Errorf("answer is %+v, want the node accepted", result)
		}
	})
}

func TestExtenderTimeout(t *testing.T) {
	slow := []string{"package kubernetes.scheduling\nreject contains \"slow\" if {" + slowBody + "}\nscore[\"slow\"] := 1 if {" + slowBody + "}\n"}
	inTime := func(o *handlers.Options) { o.SchedulingTimeout = 50 * time.Millisecond }
	t.Run("filter", func(t *testing.T) {
		s := newService(t, slow, inTime)
		var result extenderv1.ExtenderFilterResult
		s.ask(t, "/scheduler/filter", wholeNodes(tenantPod, node("a"), node("b")), &result)
		if !strings.Contains(result.Error, "deadline") {
			t.Errorf("Error is %q, want that the deadline passed", result.Error)
		}
		if result.Nodes != nil || len(result.FailedNodes) != 0 {
			t.Errorf("an answer that was cut short names nodes: %+v", result)
		}
		s.wantMetric(t, 1, "verdict_policy_errors_total", "point", "scheduling", "verb", "filter", "kind", "timeout")
	})
	t.Run("prioritize", func(t *testing.T) {
		s := newService(t, slow, inTime)
		if w, want := s.post(t, "/scheduler/prioritize", wholeNodes(tenantPod, node("a"), node("b"))), `[{"Host":"a","Score":0},{"Host":"b","Score":0}]`; w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("answer is %d %s, want 200 %s", w.Code, w.Body, want)
		}
		s.wantMetric(t, 1, "verdict_policy_errors_total", "point", "scheduling", "verb", "prioritize", "kind", "timeout")
	})
}

func TestExtenderWhenNotReady(t *testing.T) {
	for _, verb := range []string{"filter", "prioritize"} {
		t.Run(verb+" without a revision", func(t *testing.T) {
			s := newService(t, nil, inCluster(t))
			wantStatus(t, s.post(t, "/scheduler/"+verb, wholeNodes(tenantPod)), http.StatusServiceUnavailable, "no policy revision loaded yet")
			wantStatus(t, s.post(t, "/scheduler/"+verb, namedNodes(t)), http.StatusServiceUnavailable, "no policy revision loaded yet")
			s.wantMetric(t, 0, "verdict_decisions_total")
		})
		t.Run(verb+" before the nodes are read", func(t *testing.T) {
			s := newService(t, []string{placementPolicy}, func(o *handlers.Options) {
				o.Nodes = &cluster{ready: errors.New("listing nodes: connection refused")}
			})
			wantStatus(t, s.post(t, "/scheduler/"+verb, namedNodes(t, "a")), http.StatusServiceUnavailable, "nodes of the cluster have not been read yet")
			if w := s.post(t, "/scheduler/"+verb, wholeNodes(tenantPod, node("a"))); w.Code != http.StatusOK {
				t.Errorf("whole nodes, which need no cluster, are answered %d", w.Code)
			}
		})
	}
}

func TestExtenderManyNodes(t *testing.T) {
	const total = 1000
	var nodes, names, fit []string
	for i := range total {
		name, full := fmt.Sprintf("node-%04d", i), "no"
		if i%3 == 0 {
			full = "yes"
		} else {
			fit = append(fit, name)
		}
		nodes, names = append(nodes, node(name, "full", full)), append(names, name)
	}
	s := newService(t, []string{placementPolicy}, inCluster(t, nodes...))
	var result extenderv1.ExtenderFilterResult
	s.ask(t, "/scheduler/filter", namedNodes(t, names...), &result)
	if result.NodeNames == nil || !slices.Equal(*result.NodeNames, fit) {
		t.Errorf("the accepted nodes are not the %d fit ones in the order asked", len(fit))
	}
	if want := total - len(fit); len(result.FailedNodes) != want {
		t.Errorf("%d nodes failed, want %d", len(result.FailedNodes), want)
	}
}
