package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

const (
	burstNodes = 12
	burstPods  = burstNodes * podsPerNode
	// slowBinding is what the apiserver takes for each Binding.
	slowBinding = 300 * time.Millisecond
)

// TestBurstOfBinds fills twelve nodes with pods, whose Bindings take 300 ms each:
// none is shed, none is refused, and it takes about as long as with an extender
// that decides nothing.
func TestBurstOfBinds(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	edit(t, filepath.Join(shared.PolicyDir(), "scheduling.rego"), `package kubernetes.scheduling

taken contains pod.annotations["example.com/slot"] if some pod in input.state.pods

free := {format_int(n, 10) | some n in numbers.range(0, 9)} - taken

reject contains "no slot is free" if count(free) == 0

deny contains "no slot is free" if count(free) == 0

annotate["example.com/slot"] := min(free)
`)
	client := admin(t)
	between := startBetween(t)
	between.delay(slowBinding)
	replica := startReplica(t, shared, "burst", controlplane.ReplicaOptions{
		Scheduling: "  podAnnotations: [example.com/slot]\n", APIServer: between.server.URL,
	})
	var nodes []*corev1.Node
	for i := range burstNodes {
		nodes = append(nodes, node(fmt.Sprint("burst-", i), nil))
	}
	createNodes(t, client, replica, nodes)
	nothing := doNothing(t, between)

	took := map[string]time.Duration{}
	for _, run := range []struct{ name, url string }{{"nothing", nothing}, {"verdict", replica.URL() + "/scheduler"}} {
		startScheduler(t, shared, controlplane.Extender{URL: run.url, Verbs: []string{"filter", "bind"}})
		took[run.name] = burst(t, client, "burst-"+run.name)
		if strings.Contains(shared.SchedulerLog(), "code 503") {
			t.Errorf("%s: the scheduler was answered 503:\n%s", run.name, lines(shared.SchedulerLog(), "E"))
		}
		// The nodes are for the next run.
		must(t, client.CoreV1().Pods("burst-"+run.name).DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)}, metav1.ListOptions{}))
	}
	metrics, err := page(t, replica.OperationsURL+"/metrics")
	must(t, err)
	for line := range strings.SplitSeq(metrics, "\n") {
		shed := strings.HasPrefix(line, "verdict_requests_shed_total") && !strings.HasSuffix(line, " 0")
		if shed || strings.Contains(line, `code="503"`) || strings.HasPrefix(line, "verdict_policy_errors_total") && !strings.HasSuffix(line, " 0") {
			t.Errorf("verdict counts %s", line)
		}
	}
	t.Logf("%d pods bound in %s, and in %s by an extender that decides nothing: %.2f times as long", burstPods,
		took["verdict"].Round(time.Millisecond), took["nothing"].Round(time.Millisecond), took["verdict"].Seconds()/took["nothing"].Seconds())
}

// burst makes the pods, and says how long it takes until all are bound. None is
// refused on the way.
func burst(t *testing.T, client kubernetes.Interface, namespace string) time.Duration {
	t.Helper()
	makeNamespace(t, client, namespace)
	var pods []*corev1.Pod
	for i := range burstPods {
		pods = append(pods, pod(fmt.Sprint("pod-", i), ""))
	}
	began := time.Now()
	createPods(t, client, namespace, pods)
	var list *corev1.PodList
	eventually(t, time.Minute, func() (err error) {
		if list, err = client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName!="}); err == nil && len(list.Items) < burstPods {
			err = fmt.Errorf("%d of %d pods are bound", len(list.Items), burstPods)
		}
		return err
	})
	took := time.Since(began)
	slots := map[string]string{}
	for _, pod := range list.Items {
		if slot, has := pod.Annotations["example.com/slot"]; has {
			key := pod.Spec.NodeName + "/" + slot
			if slots[key] != "" {
				t.Errorf("%s and %s both have slot %s", slots[key], pod.Name, key)
			}
			slots[key] = pod.Name
		}
	}
	events, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=FailedScheduling"})
	must(t, err)
	for _, event := range events.Items {
		t.Errorf("%s: %s", event.InvolvedObject.Name, event.Message)
	}
	return took
}

// doNothing is an extender that takes every node and binds at once, by the same
// way to the apiserver. It returns its address.
func doNothing(t *testing.T, between *between) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: between.server.URL, QPS: -1})
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /filter", func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderArgs
		_ = json.NewDecoder(r.Body).Decode(&args)
		_ = json.NewEncoder(w).Encode(extenderv1.ExtenderFilterResult{NodeNames: args.NodeNames})
	})
	mux.HandleFunc("POST /bind", func(w http.ResponseWriter, r *http.Request) {
		var args extenderv1.ExtenderBindingArgs
		_ = json.NewDecoder(r.Body).Decode(&args)
		var result extenderv1.ExtenderBindingResult
		if err := client.CoreV1().Pods(args.PodNamespace).Bind(r.Context(), &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: args.PodNamespace, Name: args.PodName, UID: args.PodUID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: args.Node},
		}, createOptions); err != nil {
			result.Error = err.Error()
		}
		_ = json.NewEncoder(w).Encode(result)
	})
	serving := filepath.Join(shared.VerdictDir(), "tls", "tls")
	pair, err := tls.LoadX509KeyPair(serving+".crt", serving+".key")
	must(t, err)
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// TestAPodThatEndsUnseen: verdict binds a pod while its watch of pods is
// interrupted, and the pod ends before the next list. Its device is free again.
func TestAPodThatEndsUnseen(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	edit(t, filepath.Join(shared.PolicyDir(), "scheduling.rego"), `package kubernetes.scheduling

deny contains "the device is taken" if {
	some pod in input.state.pods
	pod.annotations["example.com/device"]
}

annotate["example.com/device"] := "0"
`)
	client := admin(t)
	between := startBetween(t)
	replica := startReplica(t, shared, "unseen", controlplane.ReplicaOptions{
		Scheduling: "  podAnnotations: [example.com/device]\n", APIServer: between.server.URL,
	})
	createNodes(t, client, replica, []*corev1.Node{node("unseen", nil)})
	makeNamespace(t, client, "unseen")
	pods := client.CoreV1().Pods("unseen")
	binder := binderAt(t, replica.URL())
	for _, phase := range []corev1.PodPhase{corev1.PodFailed, corev1.PodSucceeded} {
		made, err := pods.Create(t.Context(), pod("first-"+strings.ToLower(string(phase)), ""), createOptions)
		must(t, err)
		next, err := pods.Create(t.Context(), pod("next-"+strings.ToLower(string(phase)), ""), createOptions)
		must(t, err)
		resume := between.interrupt()
		must(t, binder.Bind(bindingOf(made, "unseen")))
		if err := binder.Bind(bindingOf(next, "unseen")); err == nil || !strings.Contains(err.Error(), "the device is taken") {
			t.Errorf("a second pod on the device: %v", err)
		}
		end(t, client, made, phase)
		resume()
		eventually(t, 20*time.Second, func() error { return binder.Bind(bindingOf(next, "unseen")) })
		end(t, client, next, phase)
		eventually(t, 20*time.Second, func() error {
			if status, err := page(t, replica.OperationsURL+"/readyz?verbose"); err != nil || !strings.Contains(status, " 0 assumed") {
				return fmt.Errorf("%w: pods stay assumed: %s", err, status)
			}
			return nil
		})
	}

	// One that ended before it was bound is not bound at all.
	made, err := pods.Create(t.Context(), pod("ended", ""), createOptions)
	must(t, err)
	between.interrupt()
	time.Sleep(time.Second) // until verdict has noticed
	end(t, client, made, corev1.PodFailed)
	if err := binder.Bind(bindingOf(made, "unseen")); err == nil || !strings.Contains(err.Error(), "the pod has ended") {
		t.Errorf("binding a pod that has failed: %v", err)
	}
}

// end does what a kubelet does for a pod that comes to its end.
func end(t *testing.T, client kubernetes.Interface, pod *corev1.Pod, phase corev1.PodPhase) {
	t.Helper()
	_, err := client.CoreV1().Pods(pod.Namespace).Patch(t.Context(), pod.Name, types.MergePatchType,
		[]byte(`{"status":{"phase":"`+string(phase)+`"}}`), metav1.PatchOptions{}, "status")
	must(t, err)
}
