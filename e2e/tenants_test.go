package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// With docs/scheduling/tenants.md as it is written, important pods of one tenant
// evict pods on nodes of that tenant, and no pod on nodes where they can never
// run, though the pods there are less important and the nodes are full in the
// scheduler's own view, so that it does not ask filter about them.
func TestNoTenantEvictsAnother(t *testing.T) {
	for _, form := range []string{controlplane.NodeNames, controlplane.WholeNodes} {
		t.Run(form, func(t *testing.T) { testTenantEvictions(t, form) })
	}
}

func testTenantEvictions(t *testing.T, form string) {
	arrange(t, shared.ConfigurationFlags())
	page := readPage(t, "scheduling/tenants.md")
	edit(t, filepath.Join(shared.PolicyDir(), "scheduling.rego"), page["tenants/tenants.rego"])
	must(t, os.MkdirAll(filepath.Join(shared.PolicyDir(), "tenancy"), 0o750))
	write(t, filepath.Join(shared.PolicyDir(), "tenancy", "data.yaml"), page["tenants/tenancy/data.yaml"])
	replica := startReplica(t, shared, "tenants-"+form, controlplane.ReplicaOptions{})
	client := admin(t)
	// Namespaces of two tenants of the page.
	for _, namespace := range []string{"payments", "search"} {
		if _, err := client.CoreV1().Namespaces().Get(t.Context(), namespace, getOptions); err != nil {
			makeNamespace(t, client, namespace)
		}
		t.Cleanup(func() {
			ctx, cancel := cleanupContext()
			defer cancel()
			now := int64(0)
			_ = client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
		})
	}
	for name, value := range map[string]int32{"tenants-least-": 1, "tenants-little-": 10, "tenants-most-": 1000} {
		makePriorityClass(t, client, name+form, value)
	}
	var nodes []*corev1.Node
	guests := map[string][]*corev1.Pod{}
	for _, tenant := range []string{"payments", "search"} {
		for i := range 3 {
			if tenant == "search" && i > 0 {
				break // one node is its own
			}
			host := fmt.Sprintf("%s-%d", tenant, i)
			nodes = append(nodes, node(host, map[string]string{"example.com/tenant": tenant}))
			for j := range 2 {
				guest := sized(fmt.Sprintf("on-%s-%d", host, j), "16")
				guest.Spec.NodeName = host
				guest.Spec.PriorityClassName = map[string]string{"payments": "tenants-least-", "search": "tenants-little-"}[tenant] + form
				guests[tenant] = append(guests[tenant], guest)
			}
		}
	}
	createNodes(t, client, replica, nodes)
	for tenant, pods := range guests {
		createPods(t, client, tenant, pods)
	}
	startScheduler(t, shared, controlplane.Extender{URL: replica.URL() + "/scheduler", Verbs: []string{"filter", "preempt"}, Form: form})

	var important []*corev1.Pod
	for i := range 2 {
		made := sized(fmt.Sprint("important-", i), "32")
		made.Spec.PriorityClassName = "tenants-most-" + form
		important = append(important, made)
	}
	createPods(t, client, "search", important)
	eventually(t, 40*time.Second, func() error {
		if hosts := hostsOf(t, client, "search", "important-"); !slices.Equal(hosts, []string{"search-0"}) {
			return fmt.Errorf("important pods run on %v", hosts)
		}
		return nil
	})
	// The other one was tried in vain.
	eventually(t, 20*time.Second, func() error {
		found, err := metricsOf(t, replica, `verdict_decisions_total{outcome="refused",point="scheduling",verb="preempt"}`)
		if err == nil && !found {
			err = fmt.Errorf("no preemption was refused yet")
		}
		return err
	})
	list, err := client.CoreV1().Pods("payments").List(t.Context(), metav1.ListOptions{})
	must(t, err)
	if len(list.Items) != len(guests["payments"]) {
		t.Errorf("%d pods of the other tenant are left of %d", len(list.Items), len(guests["payments"]))
	}
	for _, pod := range list.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.DisruptionTarget {
				t.Errorf("%s of the other tenant is evicted: %s", pod.Name, condition.Message)
			}
		}
	}
	if found, err := metricsOf(t, replica, `verdict_scheduling_reasons_total{profile="default",reason="node(s) of another tenant than the pod's",verb="preempt"}`); err != nil || !found {
		t.Errorf("why nodes were dropped is not counted: %v", err)
	}
}

// metricsOf reports whether the replica has a metric that is written so.
func metricsOf(t *testing.T, replica *controlplane.Replica, name string) (bool, error) {
	t.Helper()
	text, err := page(t, replica.OperationsURL+"/metrics")
	return lines(text, name) != "", err
}

// readPage returns the examples of a page of docs, by the paths of their files.
func readPage(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "docs", name))
	must(t, err)
	out := map[string]string{}
	for _, found := range regexp.MustCompile("(?ms)^```(?:rego|yaml)\n# file: (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		out[found[1]] = found[2]
	}
	return out
}
