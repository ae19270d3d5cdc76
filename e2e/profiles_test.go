package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// One scheduler has an extender for each of two profiles, and one for a profile
// that there is not. Each decides about the pods that use its resource; a pod
// that uses two is decided by both.
func TestProfilesSideBySide(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	for _, file := range []string{"accelerators.rego", "licences.rego"} {
		text, err := os.ReadFile(filepath.Join("testdata", "profiles", file))
		must(t, err)
		write(t, filepath.Join(shared.PolicyDir(), file), string(text))
	}
	replica := startReplica(t, shared, "profiles", controlplane.ReplicaOptions{Scheduling: "  profiles: [accelerators, licences]\n"})
	client := admin(t)
	const (
		accelerator = "example.com/accelerator"
		licence     = "example.com/licence"
		unheardOf   = "example.com/unheard-of"
		perCase     = 8
	)
	var nodes []*corev1.Node
	for _, age := range []string{"new", "old"} {
		for _, site := range []string{"a", "b"} {
			made := node(age+"-"+site, map[string]string{accelerator: age, "example.com/site": site})
			for _, name := range []corev1.ResourceName{accelerator, licence, unheardOf} {
				made.Status.Allocatable[name] = resource.MustParse("100")
			}
			made.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("100")
			nodes = append(nodes, made)
		}
	}
	createNodes(t, client, replica, nodes)
	extenderFor := func(profile, resource string) controlplane.Extender {
		return controlplane.Extender{URL: replica.URL() + "/scheduler/" + profile, Verbs: []string{"filter", "prioritize"}, Resources: []string{resource}}
	}
	startScheduler(t, shared,
		extenderFor("accelerators", accelerator), extenderFor("licences", licence), extenderFor("unheard-of", unheardOf))

	const namespace = "profiles"
	makeNamespace(t, client, namespace)
	uses := func(name string, resources ...corev1.ResourceName) *corev1.Pod {
		made := pod(name, "")
		requirements := &made.Spec.Containers[0].Resources
		requirements.Limits = corev1.ResourceList{}
		for _, name := range resources {
			requirements.Requests[name] = resource.MustParse("1")
			requirements.Limits[name] = resource.MustParse("1")
		}
		return made
	}
	cases := map[string]struct {
		uses []corev1.ResourceName
		// may are the nodes that are allowed. The scheduler spreads pods, so the
		// one that fewest may use is used.
		may  []string
		used string
	}{
		"accelerated": {[]corev1.ResourceName{accelerator}, []string{"new-a", "new-b"}, "new-b"},
		"licensed":    {[]corev1.ResourceName{licence}, []string{"new-a", "old-a"}, "old-a"},
		"both":        {[]corev1.ResourceName{accelerator, licence}, []string{"new-a"}, "new-a"},
		"plain":       {nil, []string{"new-a", "new-b", "old-a", "old-b"}, "old-b"},
	}
	var pods []*corev1.Pod
	for name, test := range cases {
		for i := range perCase {
			pods = append(pods, uses(fmt.Sprintf("%s-%d", name, i), test.uses...))
		}
	}
	createPods(t, client, namespace, append(pods, uses("undecided", unheardOf)))
	eventually(t, 30*time.Second, func() error {
		list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName!="})
		if err == nil && len(list.Items) < len(pods) {
			err = fmt.Errorf("%d of %d pods have a node", len(list.Items), len(pods))
		}
		return err
	})
	for name, test := range cases {
		hosts := hostsOf(t, client, namespace, name+"-")
		for _, host := range hosts {
			if !slices.Contains(test.may, host) {
				t.Errorf("%s: one is on %s, and only %v are allowed", name, host, test.may)
			}
		}
		if !slices.Contains(hosts, test.used) {
			t.Errorf("%s: none is on %s but on %v", name, test.used, hosts)
		}
	}
	if message := failedScheduling(t, client, namespace, "undecided"); !strings.Contains(message, `there is no profile "unheard-of"`) {
		t.Errorf("the FailedScheduling event does not say that there is no such profile: %s", message)
	}
	undecided, err := client.CoreV1().Pods(namespace).Get(t.Context(), "undecided", getOptions)
	must(t, err)
	if undecided.Spec.NodeName != "" {
		t.Errorf("the pod that no profile decided about is on %s", undecided.Spec.NodeName)
	}
}
