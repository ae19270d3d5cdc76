package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// binder is the scheduler's own client of an extender that filters by names and
// binds.
func binder(t *testing.T) fwk.Extender {
	t.Helper()
	return binderAt(t, shared.VerdictURL())
}

// binderAt is the same for the verdict at that address.
func binderAt(t *testing.T, verdict string) fwk.Extender {
	t.Helper()
	client, err := scheduler.NewHTTPExtender(&schedulerapi.Extender{
		URLPrefix:        verdict + "/scheduler",
		FilterVerb:       "filter",
		BindVerb:         "bind",
		EnableHTTPS:      true,
		HTTPTimeout:      metav1.Duration{Duration: 5 * time.Second},
		NodeCacheCapable: true,
		TLSConfig: &schedulerapi.ExtenderTLSConfig{
			CAFile:   filepath.Join(shared.ConnectionDir(), "ca.crt"),
			CertFile: filepath.Join(shared.ConnectionDir(), "kube-scheduler.crt"),
			KeyFile:  filepath.Join(shared.ConnectionDir(), "kube-scheduler.key"),
		},
	})
	must(t, err)
	return client
}

// fits waits until the extender admits the pod to these nodes, of those given.
func fits(t *testing.T, client fwk.Extender, pod *corev1.Pod, nodes []*corev1.Node, want ...string) {
	t.Helper()
	infos := make([]fwk.NodeInfo, len(nodes))
	for i, node := range nodes {
		info := framework.NewNodeInfo()
		info.SetNode(node)
		infos[i] = info
	}
	eventually(t, 15*time.Second, func() error {
		fit, failed, unresolvable, err := client.Filter(pod, infos)
		if err != nil {
			return err
		}
		var got []string
		for _, info := range fit {
			got = append(got, info.Node().Name)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("fit for %v, not %v: %v, %v", got, want, failed, unresolvable)
		}
		return nil
	})
}

// What the scheduler knows of nodes, policies know: what pods request there and
// which they are, from the moment that a policy reads it.
func TestClusterState(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	client := admin(t)
	makeNamespace(t, client, "cluster-state")
	nodes := []*corev1.Node{node("state-a", nil), node("state-b", nil)}
	for i := range nodes {
		made, err := client.CoreV1().Nodes().Create(t.Context(), nodes[i], createOptions)
		must(t, err)
		nodes[i] = made
		t.Cleanup(func() { remove(t, client.CoreV1().Nodes().Delete, made.Name) })
	}
	pods := client.CoreV1().Pods("cluster-state")
	large := pod("large", "payments")
	large.Spec.NodeName = "state-a"
	large.Labels = map[string]string{"noisy": "true"}
	large.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("31")
	_, err := pods.Create(t.Context(), large, createOptions)
	must(t, err)
	pending, err := pods.Create(t.Context(), pod("pending", "payments"), createOptions)
	must(t, err)

	file := filepath.Join(shared.PolicyDir(), "scheduling.rego")
	edit(t, file, `package kubernetes.scheduling

reject contains "the node has less than 2 CPUs free" if input.state.free.cpu < 2000
`)
	filter := binder(t)
	fits(t, filter, pending, nodes, "state-b")
	edit(t, file, `package kubernetes.scheduling

reject contains "the node runs something noisy" if {
	some pod in input.state.pods
	pod.labels.noisy == "true"
}
`)
	fits(t, filter, pending, nodes, "state-b")
	now := int64(0)
	must(t, pods.Delete(t.Context(), "large", metav1.DeleteOptions{GracePeriodSeconds: &now}))
	fits(t, filter, pending, nodes, "state-a", "state-b")
}

// One replica that was elected binds, and says so to the probes of its Service.
func TestBindByTheElectedReplica(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	readiness := listener.Addr().String()
	must(t, listener.Close())
	file := filepath.Join(shared.VerdictDir(), "config.yaml")
	config, err := os.ReadFile(file)
	must(t, err)
	edit(t, file, string(config)+fmt.Sprintf(`
scheduling:
  podAnnotations: [example.com/device]
  bind:
    enabled: true
    lease: {namespace: verdict-system}
    readinessAddress: %s
`, readiness))
	edit(t, filepath.Join(shared.PolicyDir(), "scheduling.rego"), `package kubernetes.scheduling

taken contains pod.annotations["example.com/device"] if some pod in input.state.pods

free := {"0", "1"} - taken

deny contains "no device is free" if count(free) == 0

annotate["example.com/device"] := min(free)
`)
	must(t, shared.StartVerdict(t.Context()))
	must(t, shared.WaitVerdictReady(t.Context()))
	eventually(t, 30*time.Second, func() error {
		response, err := http.Get("http://" + readiness + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("not active: %s", response.Status)
		}
		return nil
	})

	client := admin(t)
	makeNamespace(t, client, "elected")
	_, err = client.CoreV1().Nodes().Create(t.Context(), node("devices", nil), createOptions)
	must(t, err)
	t.Cleanup(func() { remove(t, client.CoreV1().Nodes().Delete, "devices") })
	pods := client.CoreV1().Pods("elected")
	bind := binder(t)
	given := map[string]int{}
	for i := range 3 {
		made, err := pods.Create(t.Context(), pod(fmt.Sprint("pod-", i), "payments"), createOptions)
		must(t, err)
		binding := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: made.Namespace, Name: made.Name, UID: made.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "devices"},
		}
		if i == 2 {
			if err := bind.Bind(binding); err == nil {
				t.Error("a third pod was bound to two devices")
			}
			continue
		}
		if i == 0 { // the node is new
			eventually(t, 10*time.Second, func() error { return bind.Bind(binding) })
		}
		for range 2 { // the second time is a retry of what happened
			must(t, bind.Bind(binding))
		}
		bound, err := pods.Get(t.Context(), made.Name, getOptions)
		must(t, err)
		if bound.Spec.NodeName != "devices" {
			t.Errorf("%s is on %q", bound.Name, bound.Spec.NodeName)
		}
		given[bound.Annotations["example.com/device"]]++
	}
	if want := map[string]int{"0": 1, "1": 1}; !maps.Equal(given, want) {
		t.Errorf("devices given out: %v", given)
	}
}
