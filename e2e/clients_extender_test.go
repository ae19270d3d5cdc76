package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// extender is the scheduler's own client, as the configuration of deploy/
// sets it up, presenting the certificate of one of the callers.
func extender(t *testing.T, form, caller string) fwk.Extender {
	t.Helper()
	return extenderOf(t, form, caller, "")
}

// extenderOf is the same for a profile, with every verb.
func extenderOf(t *testing.T, form, caller, profile string) fwk.Extender {
	t.Helper()
	return extenderAt(t, shared.VerdictURL()+"/scheduler"+profile, form, caller)
}

// extenderAt is the same at that address.
func extenderAt(t *testing.T, url, form, caller string) fwk.Extender {
	t.Helper()
	client, err := scheduler.NewHTTPExtender(&schedulerapi.Extender{
		URLPrefix:        url,
		FilterVerb:       "filter",
		PrioritizeVerb:   "prioritize",
		PreemptVerb:      "preempt",
		BindVerb:         "bind",
		Weight:           10,
		EnableHTTPS:      true,
		HTTPTimeout:      metav1.Duration{Duration: 5 * time.Second},
		NodeCacheCapable: form == controlplane.NodeNames,
		TLSConfig: &schedulerapi.ExtenderTLSConfig{
			CAFile:   filepath.Join(shared.ConnectionDir(), "ca.crt"),
			CertFile: filepath.Join(shared.ConnectionDir(), caller+".crt"),
			KeyFile:  filepath.Join(shared.ConnectionDir(), caller+".key"),
		},
	})
	must(t, err)
	return client
}

var extenderNodes = []*corev1.Node{
	node("best", map[string]string{"example.com/tenant": "payments", "example.com/rank": "10"}),
	node("beyond", map[string]string{"example.com/tenant": "payments", "example.com/rank": "1000"}),
	node("below", map[string]string{"example.com/tenant": "payments", "example.com/rank": "3", "example.com/slow": "true"}),
	node("between", map[string]string{"example.com/tenant": "payments", "example.com/rank": "5.4"}),
	node("unranked", map[string]string{"example.com/tenant": "payments"}),
	node("misranked", map[string]string{"example.com/tenant": "payments", "example.com/rank": "best"}),
	node("draining", map[string]string{"example.com/tenant": "payments", "example.com/draining": "true"}),
	node("odd", map[string]string{"example.com/tenant": "payments", "example.com/free": "plenty"}),
	node("foreign", map[string]string{"example.com/tenant": "search"}),
	node("both", map[string]string{"example.com/tenant": "search", "example.com/draining": "true"}),
}

func TestExtender(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	client := admin(t)
	for _, node := range extenderNodes {
		_, err := client.CoreV1().Nodes().Create(t.Context(), node, createOptions)
		must(t, err)
		t.Cleanup(func() { remove(t, client.CoreV1().Nodes().Delete, node.Name) })
	}
	for _, form := range []string{controlplane.NodeNames, controlplane.WholeNodes} {
		t.Run(form, func(t *testing.T) {
			extender := extender(t, form, "kube-scheduler")
			if form == controlplane.NodeNames {
				waitKnown(t, extender)
			}
			t.Run("filter", func(t *testing.T) { testFilter(t, extender) })
			t.Run("prioritize", func(t *testing.T) { testPrioritize(t, extender) })
			t.Run("no node", func(t *testing.T) {
				feasible, failed, unresolvable, err := extender.Filter(pod("app", "payments"), nil)
				if err != nil || len(feasible)+len(failed)+len(unresolvable) != 0 {
					t.Errorf("feasible %v, failed %v, unresolvable %v, error %v, want nothing", names(feasible), failed, unresolvable, err)
				}
			})
			t.Run("a caller with another certificate", func(t *testing.T) {
				_, _, _, err := other(t, form).Filter(pod("app", "payments"), infos(extenderNodes))
				if err == nil || !strings.Contains(err.Error(), "code 403") {
					t.Errorf("error %v, want status 403", err)
				}
			})
		})
	}
	t.Run("a name that is not known", func(t *testing.T) {
		unknown := node("unheard-of", map[string]string{"example.com/tenant": "payments"})
		nodes := infos(append(slices.Clone(extenderNodes[:1]), unknown))
		feasible, failed, unresolvable, err := extender(t, controlplane.NodeNames, "kube-scheduler").Filter(pod("app", "payments"), nodes)
		must(t, err)
		if got := names(feasible); !slices.Equal(got, []string{"best"}) {
			t.Errorf("feasible %v, want best", got)
		}
		// No eviction makes a node known.
		if !strings.Contains(unresolvable["unheard-of"], "not yet known") || len(failed) != 0 {
			t.Errorf("failed %v and unresolvable %v, want the node to be unresolvable as not yet known", failed, unresolvable)
		}
	})
}

func other(t *testing.T, form string) fwk.Extender { return extender(t, form, "kube-apiserver") }

func testFilter(t *testing.T, extender fwk.Extender) {
	feasible, failed, unresolvable, err := extender.Filter(pod("app", "payments"), infos(extenderNodes))
	must(t, err)
	if got, want := names(feasible), []string{"below", "best", "between", "beyond", "misranked", "unranked"}; !slices.Equal(got, want) {
		t.Errorf("feasible %v, want %v", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(failed)), []string{"draining", "odd"}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", failed, want)
	}
	if got, want := failed["draining"], "the node is draining"; got != want {
		t.Errorf("draining: %q, want %q", got, want)
	}
	if got, want := failed["odd"], "to_number"; !strings.Contains(got, want) {
		t.Errorf("odd: %q does not name the policy error in %s", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(unresolvable)), []string{"both", "foreign"}; !slices.Equal(got, want) {
		t.Errorf("unresolvable %v, want %v", unresolvable, want)
	}
	for name, reason := range unresolvable {
		if want := "the node is not of the pod's tenant"; !strings.Contains(reason, want) {
			t.Errorf("%s: %q, want %q", name, reason, want)
		}
	}
}

// testPrioritize: 0 to 10, whole, and an error is a zero that the scheduler
// does not notice.
func testPrioritize(t *testing.T, extender fwk.Extender) {
	nodes := extenderNodes[:6]
	before := metric(t, "verdict_decisions_total")
	scores, weight, err := extender.Prioritize(pod("app", "payments"), infos(nodes))
	must(t, err)
	if weight != 10 {
		t.Errorf("weight %d, want 10", weight)
	}
	want := map[string]int64{"best": 10, "beyond": 10, "below": 0, "between": 5, "unranked": 0, "misranked": 0}
	if got := byHost(*scores); !maps.Equal(got, want) {
		t.Errorf("scores %v, want %v", got, want)
	}
	if now := metric(t, "verdict_decisions_total"); now <= before {
		t.Errorf("verdict_decisions_total did not count the call: %v, then %v", before, now)
	}
}

// waitKnown waits until the node informer has what was created.
func waitKnown(t *testing.T, extender fwk.Extender) {
	t.Helper()
	eventually(t, 15*time.Second, func() error {
		_, _, unresolvable, err := extender.Filter(pod("probe", "payments"), infos(extenderNodes))
		if err != nil {
			return err
		}
		for name, reason := range unresolvable {
			if strings.Contains(reason, "not yet known") {
				return fmt.Errorf("%s: %s", name, reason)
			}
		}
		return nil
	})
}

func infos(nodes []*corev1.Node) []fwk.NodeInfo {
	out := make([]fwk.NodeInfo, len(nodes))
	for i, node := range nodes {
		out[i] = framework.NewNodeInfo()
		out[i].SetNode(node)
	}
	return out
}

func names(nodes []fwk.NodeInfo) []string {
	var out []string
	for _, node := range nodes {
		out = append(out, node.Node().Name)
	}
	slices.Sort(out)
	return out
}

func byHost(scores extenderv1.HostPriorityList) map[string]int64 {
	out := map[string]int64{}
	for _, score := range scores {
		out[score.Host] = score.Score
	}
	return out
}

// TestExtenderVerbs: whatever the scheduler asks, nothing that verdict answers
// makes its client panic, and no answer claims what was not asked.
func TestExtenderVerbs(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	cluster := schedulerCache{}
	for _, node := range extenderNodes[:2] {
		info := framework.NewNodeInfo(victim("web", node.Name), victim("db", node.Name))
		info.SetNode(node)
		cluster[node.Name] = info
	}
	best, beyond := extenderNodes[0].Name, extenderNodes[1].Name
	for _, form := range []string{controlplane.NodeNames, controlplane.WholeNodes} {
		for name, victims := range map[string]map[string]*extenderv1.Victims{
			"victims":           {best: {Pods: []*corev1.Pod{victim("web", best)}, NumPDBViolations: 2}, beyond: {Pods: []*corev1.Pod{victim("db", beyond)}}},
			"no victims":        {best: {Pods: []*corev1.Pod{}}},
			"victims of nil":    {best: {}},
			"no nodes":          {},
			"nodes of nil":      nil,
			"an odd node":       {"../\"<": {}},
			"a negative number": {best: {NumPDBViolations: -1}},
		} {
			t.Run(form+"/preempt/"+name, func(t *testing.T) {
				left, err := extender(t, form, "kube-scheduler").ProcessPreemption(pod("app", "payments"), victims, cluster)
				// A null is refused, and the client knows no such node.
				if odd := victims == nil || len(victims) == 1 && victims[best] == nil; err != nil && !odd {
					t.Errorf("error %v", err)
				}
				for node, kept := range left {
					asked := victims[node]
					if asked == nil || kept == nil || len(kept.Pods) != len(asked.Pods) || kept.NumPDBViolations != asked.NumPDBViolations {
						t.Errorf("%s: %+v, asked for %+v", node, kept, asked)
					}
				}
			})
		}
	}
	t.Run("preempt, whole and unprotected", func(t *testing.T) {
		victims := map[string]*extenderv1.Victims{best: {Pods: []*corev1.Pod{victim("web", best), victim("db", best)}, NumPDBViolations: 2}}
		preempt := func() (map[string]*extenderv1.Victims, error) {
			return extender(t, controlplane.WholeNodes, "kube-scheduler").ProcessPreemption(pod("app", "payments"), victims, cluster)
		}
		// Calls of preempt carry no nodes, and the rules read them.
		left, err := preempt()
		must(t, err)
		if len(left) != 0 {
			t.Errorf("left %+v of a node that verdict cannot know", left)
		}
		client := admin(t)
		_, err = client.CoreV1().Nodes().Create(t.Context(), extenderNodes[0].DeepCopy(), createOptions)
		must(t, err)
		t.Cleanup(func() { remove(t, client.CoreV1().Nodes().Delete, best) })
		eventually(t, 30*time.Second, func() error {
			left, err := preempt()
			must(t, err)
			if len(left) != 1 || len(left[best].Pods) != 2 || left[best].NumPDBViolations != 2 {
				return fmt.Errorf("left %+v, want all of it", left)
			}
			return nil
		})
	})
	t.Run("bind, which is not turned on", func(t *testing.T) {
		for name, target := range map[string]string{"a node": best, "no node": "", "an odd one": "../\"<"} {
			err := extender(t, controlplane.NodeNames, "kube-scheduler").Bind(&corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "app", UID: "u"},
				Target:     corev1.ObjectReference{Kind: "Node", Name: target},
			})
			if err == nil {
				t.Errorf("%s: the pod is bound", name)
			}
			if target == best && !strings.Contains(err.Error(), "scheduling.bind.enabled") {
				t.Errorf("%s: error %v does not say what to set", name, err)
			}
		}
	})
	t.Run("an unknown profile", func(t *testing.T) {
		extender := extenderOf(t, controlplane.WholeNodes, "kube-scheduler", "/unheard-of")
		if _, _, _, err := extender.Filter(pod("app", "payments"), infos(extenderNodes)); err == nil || !strings.Contains(err.Error(), "no profile") {
			t.Errorf("filter: error %v, want that there is none", err)
		}
		scores, _, err := extender.Prioritize(pod("app", "payments"), infos(extenderNodes))
		must(t, err)
		for host, score := range byHost(*scores) {
			if score != 0 {
				t.Errorf("%s scores %d", host, score)
			}
		}
		left, err := extender.ProcessPreemption(pod("app", "payments"), map[string]*extenderv1.Victims{best: {}}, cluster)
		if err != nil || len(left) > 0 {
			t.Errorf("preempt: %v, %v, want no node", left, err)
		}
	})
}

func victim(name, node string) *corev1.Pod {
	out := pod(name, "payments")
	out.UID, out.Spec.NodeName = types.UID(name+"-on-"+node), node
	return out
}

// schedulerCache is what the scheduler looks up the nodes of an answer in.
type schedulerCache map[string]fwk.NodeInfo

func (c schedulerCache) List() ([]fwk.NodeInfo, error) { return slices.Collect(maps.Values(c)), nil }

func (c schedulerCache) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) { return nil, nil }

func (c schedulerCache) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return nil, nil
}

func (c schedulerCache) HavePodsWithRequiredNonHostScopedAntiAffinityList() ([]fwk.NodeInfo, error) {
	return nil, nil
}

func (c schedulerCache) Get(name string) (fwk.NodeInfo, error) {
	if info, ok := c[name]; ok {
		return info, nil
	}
	return nil, fmt.Errorf("there is no node %q", name)
}

// TestBadInputToVerbs: a verdict that binds answers whatever the scheduler asks with
// what its client understands, binds nothing that it should not, and says why.
func TestBadInputToVerbs(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	edit(t, filepath.Join(shared.PolicyDir(), "scheduling.rego"), `package kubernetes.scheduling

kind := input.pod.metadata.annotations["example.com/tenant"]

protect contains input.pod.spec if kind == "odd"

protect contains "x" if {
	kind == "failing"
	to_number(input.victim.name) > 1
}

protect contains "no" if kind == "protected"

deny contains "the pod is denied" if kind == "denied"

deny contains "x" if {
	kind == "failing"
	to_number(kind) > 1
}

annotate["example.com/device"] := input.pod.spec if kind == "odd"

annotate["not a key/of/annotations"] := "x" if kind == "misnamed"
`)
	replica := startReplica(t, shared, "bad-input", controlplane.ReplicaOptions{})
	client := admin(t)
	const namespace = "bad-input"
	makeNamespace(t, client, namespace)
	createNodes(t, client, replica, []*corev1.Node{node("target", nil)})
	pods := client.CoreV1().Pods(namespace)
	made := map[string]*corev1.Pod{}
	for _, kind := range []string{"failing", "denied", "odd", "misnamed", "good"} {
		one, err := pods.Create(t.Context(), pod("pod-"+kind, kind), createOptions)
		must(t, err)
		made[kind] = one
	}
	good := made["good"]
	bind := binderAt(t, replica.URL())
	binding := func(pod *corev1.Pod, node string, change func(*corev1.Binding)) *corev1.Binding {
		out := bindingOf(pod, node)
		if change != nil {
			change(out)
		}
		return out
	}
	long := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		binding *corev1.Binding
		says    string
	}{
		"an empty one":        {&corev1.Binding{}, ""},
		"no node":             {binding(good, "", nil), ""},
		"no UID":              {binding(good, "target", func(b *corev1.Binding) { b.UID = "" }), ""},
		"a node of odd name":  {binding(good, "../\"<\x00\xff", nil), ""},
		"a node of long name": {binding(good, long, nil), ""},
		"an unknown node":     {binding(good, "unheard-of", nil), "not yet known"},
		"another UID":         {binding(good, "target", func(b *corev1.Binding) { b.UID = "another" }), "no such pod"},
		"another name":        {binding(good, "target", func(b *corev1.Binding) { b.Name = "unheard-of" }), "no such pod"},
		"a name like a path":  {binding(good, "target", func(b *corev1.Binding) { b.Name = "../../nodes/target" }), ""},
		"another namespace":   {binding(good, "target", func(b *corev1.Binding) { b.Namespace = "default" }), "no such pod"},
		"a namespace of dots": {binding(good, "target", func(b *corev1.Binding) { b.Namespace = ".." }), ""},
		"denied":              {binding(made["denied"], "target", nil), "the pod is denied"},
		"a policy that fails": {binding(made["failing"], "target", nil), "policy error: "},
		"an odd annotation":   {binding(made["odd"], "target", nil), "policy error: "},
		"an odd key":          {binding(made["misnamed"], "target", nil), "policy error: "},
	} {
		t.Run("bind/"+name, func(t *testing.T) {
			if err := bind.Bind(test.binding); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %.300v, want %q", err, test.says)
			}
		})
	}
	list, err := pods.List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName!="})
	must(t, err)
	for _, pod := range list.Items {
		t.Errorf("%s is bound", pod.Name)
	}
	// It is none the worse for it, and a pod that was refused counts nowhere.
	must(t, bind.Bind(bindingOf(good, "target")))
	eventually(t, 10*time.Second, func() error {
		status, err := page(t, replica.OperationsURL+"/readyz?verbose")
		if err == nil && !strings.Contains(status, " and 0 assumed") {
			err = fmt.Errorf("pods are assumed still:\n%s", status)
		}
		return err
	})

	cluster := schedulerCache{}
	info := framework.NewNodeInfo(victim("web", "target"))
	info.SetNode(node("target", nil))
	cluster["target"] = info
	for _, form := range []string{controlplane.NodeNames, controlplane.WholeNodes} {
		for kind, kept := range map[string]bool{"odd": false, "failing": false, "protected": false, "whatever": form == controlplane.WholeNodes} {
			t.Run("preempt/"+form+"/"+kind, func(t *testing.T) {
				left, err := extenderAt(t, replica.URL()+"/scheduler", form, "kube-scheduler").ProcessPreemption(pod("app", kind),
					map[string]*extenderv1.Victims{"target": {Pods: []*corev1.Pod{victim("web", "target")}}}, cluster)
				if err != nil || (left["target"] != nil) != kept {
					t.Errorf("left %v, error %v, kept should be %v", left, err, kept)
				}
			})
		}
	}
}
