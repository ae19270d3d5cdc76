package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// Ten nodes a tenant, each with room for ten pods. The policy ranks three of
// them above the others; of these one is draining.
const (
	nodesPerTenant = 10
	podsPerNode    = 10
	podsPerTenant  = 25
)

var ranks = map[int]string{0: "10", 1: "10", 2: "7", 3: "10"}

const draining = 3

func TestScheduling(t *testing.T) {
	for _, form := range []string{controlplane.NodeNames, controlplane.WholeNodes} {
		t.Run(form, func(t *testing.T) {
			arrange(t, shared.ConfigurationFlags())
			client := admin(t)
			makeNodes(t, client)
			must(t, shared.StartScheduler(t.Context(), form))
			t.Cleanup(shared.StopScheduler)

			t.Run("pods land where policy allows, best nodes first", func(t *testing.T) { testPlacement(t, client, "placement-"+form) })
			t.Run("refusals evict nobody", func(t *testing.T) { testRefusals(t, client, "refusals-"+form) })
			t.Run("without verdict pods wait", func(t *testing.T) { testWaiting(t, client, "waiting-"+form) })
		})
	}
}

func makeNodes(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	for _, tenant := range []string{"payments", "search"} {
		for i := range nodesPerTenant {
			labels := map[string]string{"example.com/tenant": tenant, "example.com/rank": "1"}
			if rank, ranked := ranks[i]; ranked {
				labels["example.com/rank"] = rank
			}
			if i == draining {
				labels["example.com/draining"] = "true"
			}
			name := fmt.Sprintf("%s-%d", tenant, i)
			_, err := client.CoreV1().Nodes().Create(t.Context(), node(name, labels), createOptions)
			must(t, err)
			t.Cleanup(func() { remove(t, client.CoreV1().Nodes().Delete, name) })
		}
	}
	// A pod that is refused because verdict does not know a node yet is not tried
	// again for minutes, and verdict may be waiting to watch a new apiserver.
	known := fmt.Sprintf(" %d nodes, ", 2*nodesPerTenant)
	eventually(t, time.Minute, func() error {
		if status := fetch(t, "/readyz?verbose"); !strings.Contains(status, known) {
			return fmt.Errorf("verdict does not know %s:\n%s", known, status)
		}
		return nil
	})
}

func testPlacement(t *testing.T, client kubernetes.Interface, namespace string) {
	makeNamespace(t, client, namespace)
	pods := client.CoreV1().Pods(namespace)
	for i := range podsPerTenant {
		for _, tenant := range []string{"payments", "search"} {
			_, err := pods.Create(t.Context(), pod(fmt.Sprintf("%s-%d", tenant, i), tenant), createOptions)
			must(t, err)
		}
	}
	placed := map[string]int{}
	eventually(t, 60*time.Second, func() error {
		list, err := pods.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		clear(placed)
		for _, pod := range list.Items {
			if pod.Spec.NodeName == "" {
				return fmt.Errorf("%s is not scheduled: %v", pod.Name, pod.Status.Conditions)
			}
			if tenant := pod.Annotations["example.com/tenant"]; !strings.HasPrefix(pod.Spec.NodeName, tenant+"-") {
				t.Fatalf("%s landed on %s, which is not of its tenant", pod.Name, pod.Spec.NodeName)
			}
			placed[pod.Spec.NodeName]++
		}
		if len(list.Items) != 2*podsPerTenant {
			return fmt.Errorf("%d pods, not %d", len(list.Items), 2*podsPerTenant)
		}
		return nil
	})
	// Twenty fill the two best, five go to the next best.
	want := map[string]int{
		"payments-0": 10, "payments-1": 10, "payments-2": 5,
		"search-0": 10, "search-1": 10, "search-2": 5,
	}
	if !maps.Equal(placed, want) {
		t.Errorf("pods a node: %v, want %v", placed, want)
	}
}

// testRefusals creates pods that are important enough to push others aside,
// on a cluster where every node they could use holds unimportant ones.
func testRefusals(t *testing.T, client kubernetes.Interface, namespace string) {
	makeNamespace(t, client, namespace)
	makePriorityClass(t, client, "important-"+namespace, 1_000_000)
	pods := client.CoreV1().Pods(namespace)
	var bystanders []string
	for _, tenant := range []string{"payments", "search"} {
		for i := range nodesPerTenant {
			bystander := pod(fmt.Sprintf("bystander-%s-%d", tenant, i), tenant)
			bystander.Spec.NodeName = fmt.Sprintf("%s-%d", tenant, i)
			_, err := pods.Create(t.Context(), bystander, createOptions)
			must(t, err)
			bystanders = append(bystanders, bystander.Name)
		}
	}

	for name, test := range map[string]struct {
		tenant   string
		selector map[string]string
		reason   string
	}{
		"unresolvable": {"nobody", nil, "the node is not of the pod's tenant"},
		"plain":        {"payments", map[string]string{"example.com/draining": "true"}, "the node is draining"},
	} {
		t.Run(name, func(t *testing.T) {
			logged := len(shared.SchedulerLog())
			important := pod(name, test.tenant)
			important.Spec.PriorityClassName = "important-" + namespace
			important.Spec.NodeSelector = test.selector
			_, err := pods.Create(t.Context(), important, createOptions)
			must(t, err)
			message := failedScheduling(t, client, namespace, name)
			if !strings.Contains(message, test.reason) {
				t.Errorf("the FailedScheduling event does not give the reason %q: %s", test.reason, message)
			}
			if name == "unresolvable" {
				log := shared.SchedulerLog()[logged:]
				for _, text := range []string{message, log} {
					if i := strings.Index(text, "expected at least one victim"); i >= 0 {
						t.Errorf("a preemption error: %s", text[max(0, i-200):min(len(text), i+200)])
					}
				}
				if !strings.Contains(message, "Preemption is not helpful for scheduling") {
					t.Errorf("the scheduler tried a preemption: %s", message)
				}
			}
			refusedPod, err := pods.Get(t.Context(), name, getOptions)
			must(t, err)
			if refusedPod.Spec.NodeName != "" || refusedPod.Status.NominatedNodeName != "" {
				t.Errorf("the pod is on %q and nominated for %q, want neither", refusedPod.Spec.NodeName, refusedPod.Status.NominatedNodeName)
			}
		})
	}

	list, err := pods.List(t.Context(), metav1.ListOptions{})
	must(t, err)
	var left []string
	for _, pod := range list.Items {
		if strings.HasPrefix(pod.Name, "bystander-") && pod.DeletionTimestamp == nil {
			left = append(left, pod.Name)
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.DisruptionTarget {
				t.Errorf("%s was to be evicted: %s", pod.Name, condition.Message)
			}
		}
	}
	slices.Sort(left)
	slices.Sort(bystanders)
	if !slices.Equal(left, bystanders) {
		t.Errorf("left of the bystanders: %v, want all of %v", left, bystanders)
	}
	events, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	for _, event := range events.Items {
		if event.Reason == "Preempted" {
			t.Errorf("%s was evicted: %s", event.InvolvedObject.Name, event.Message)
		}
	}
}

// testWaiting: a scheduler that cannot ask places nothing, says why, and goes
// on by itself.
func testWaiting(t *testing.T, client kubernetes.Interface, namespace string) {
	makeNamespace(t, client, namespace)
	pods := client.CoreV1().Pods(namespace)
	shared.KillVerdict()
	_, err := pods.Create(t.Context(), pod("waiting", "payments"), createOptions)
	must(t, err)
	if message := failedScheduling(t, client, namespace, "waiting"); !strings.Contains(message, "connection refused") {
		t.Errorf("the FailedScheduling event does not say what is wrong: %s", message)
	}
	must(t, shared.StartVerdict(t.Context()))
	eventually(t, 60*time.Second, func() error {
		waiting, err := pods.Get(t.Context(), "waiting", getOptions)
		if err != nil {
			return err
		}
		if waiting.Spec.NodeName == "" {
			return fmt.Errorf("the pod has no node: %v", waiting.Status.Conditions)
		}
		return nil
	})
}

// failedScheduling is the message of a pod's FailedScheduling event.
func failedScheduling(t *testing.T, client kubernetes.Interface, namespace, pod string) string {
	t.Helper()
	var message string
	eventually(t, 30*time.Second, func() error {
		events, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{
			FieldSelector: "involvedObject.name=" + pod + ",reason=FailedScheduling",
		})
		if err != nil {
			return err
		}
		if len(events.Items) == 0 {
			return fmt.Errorf("pod %s has no FailedScheduling event", pod)
		}
		message = events.Items[0].Message
		return nil
	})
	return message
}

func makeNamespace(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, createOptions)
	must(t, err)
	// No controller removes the finalizer of a namespace here: its pods are deleted, so
	// that they take no room on nodes, and the name stays.
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		now := int64(0)
		if err := client.CoreV1().Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}); err != nil {
			t.Errorf("remove the pods of %s: %v", name, err)
		}
	})
}

func makePriorityClass(t *testing.T, client kubernetes.Interface, name string, value int32) {
	t.Helper()
	_, err := client.SchedulingV1().PriorityClasses().Create(t.Context(), &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value,
	}, createOptions)
	must(t, err)
	t.Cleanup(func() { remove(t, client.SchedulingV1().PriorityClasses().Delete, name) })
}
