package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// An important pod evicts pods that the policy does not protect, though the
// protected ones are less important and the scheduler would rather evict those.
// When only protected ones are left it waits.
func TestPreemptionOfUnprotectedPods(t *testing.T) {
	for _, form := range []string{controlplane.NodeNames, controlplane.WholeNodes} {
		t.Run(form, func(t *testing.T) { testPreemption(t, form) })
	}
}

func testPreemption(t *testing.T, form string) {
	arrange(t, shared.ConfigurationFlags())
	usePlacement(t, shared, "protect.rego")
	replica := startReplica(t, shared, "preemption-"+form, controlplane.ReplicaOptions{})
	client := admin(t)
	namespace := "preemption-" + form
	makeNamespace(t, client, namespace)
	for name, value := range map[string]int32{"least-": 1, "little-": 10, "most-": 1000} {
		makePriorityClass(t, client, name+form, value)
	}
	// Two pods fill a node. Those of the ledger run alone on some nodes, beside
	// others on some.
	guests := map[string][]string{
		"ledger-0": {"ledger", "ledger"}, "ledger-1": {"ledger", "ledger"},
		"mixed-0": {"ledger", "batch"}, "mixed-1": {"batch", "ledger"},
		"batch-0": {"batch", "batch"}, "batch-1": {"batch", "batch"}, "batch-2": {"batch", "batch"},
	}
	var nodes []*corev1.Node
	for name := range guests {
		nodes = append(nodes, node(name, nil))
	}
	createNodes(t, client, replica, nodes)
	var pods []*corev1.Pod
	for host, parts := range guests {
		for i, part := range parts {
			guest := sized(fmt.Sprintf("%s-on-%s-%d", part, host, i), "16")
			guest.Labels = map[string]string{"example.com/part-of": part}
			guest.Spec.NodeName = host
			guest.Spec.PriorityClassName = map[string]string{"ledger": "least-", "batch": "little-"}[part] + form
			pods = append(pods, guest)
		}
	}
	createPods(t, client, namespace, pods)
	startScheduler(t, shared, controlplane.Extender{URL: replica.URL() + "/scheduler", Verbs: []string{"filter", "preempt"}, Form: form})

	var important []*corev1.Pod
	for i := range 4 { // whole nodes, of which three can be cleared
		made := sized(fmt.Sprint("important-", i), "32")
		made.Spec.PriorityClassName = "most-" + form
		important = append(important, made)
	}
	createPods(t, client, namespace, important)
	eventually(t, 40*time.Second, func() error {
		if hosts := hostsOf(t, client, namespace, "important-"); !slices.Equal(hosts, []string{"batch-0", "batch-1", "batch-2"}) {
			return fmt.Errorf("important pods run on %v", hosts)
		}
		return nil
	})
	// The fourth was tried, and after the evictions again.
	eventually(t, 20*time.Second, func() error {
		refused, err := page(t, replica.OperationsURL+"/metrics")
		if err == nil && !strings.Contains(refused, `verdict_decisions_total{outcome="refused",point="scheduling",verb="preempt"}`) {
			err = fmt.Errorf("no preemption was refused yet:\n%s", lines(refused, "verdict_decisions_total"))
		}
		return err
	})
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	var left, want []string
	for _, pod := range list.Items {
		if strings.HasPrefix(pod.Name, "important-") {
			if pod.Spec.NodeName == "" && pod.Status.NominatedNodeName != "" {
				t.Errorf("%s waits, and is nominated for %s", pod.Name, pod.Status.NominatedNodeName)
			}
			continue
		}
		left = append(left, pod.Name)
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.DisruptionTarget {
				t.Errorf("%s is to be evicted: %s", pod.Name, condition.Message)
			}
		}
	}
	for _, pod := range pods {
		if !strings.HasPrefix(pod.Spec.NodeName, "batch-") {
			want = append(want, pod.Name)
		}
	}
	slices.Sort(left)
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left of the unimportant pods: %v, want %v", left, want)
	}
}

// sized is a pod that needs so many CPUs, and goes at once when it is evicted:
// there is no kubelet to end it.
func sized(name, cpu string) *corev1.Pod {
	made := pod(name, "")
	made.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	now := int64(0)
	made.Spec.TerminationGracePeriodSeconds = &now
	return made
}

// hostsOf are the nodes of the pods whose names begin so, sorted.
func hostsOf(t *testing.T, client kubernetes.Interface, namespace, prefix string) []string {
	t.Helper()
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	var hosts []string
	for _, pod := range list.Items {
		if strings.HasPrefix(pod.Name, prefix) && pod.Spec.NodeName != "" {
			hosts = append(hosts, pod.Spec.NodeName)
		}
	}
	slices.Sort(hosts)
	return hosts
}

// lines are those of a text that begin so.
func lines(text, prefix string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			out.WriteString(line)
		}
	}
	return out.String()
}
