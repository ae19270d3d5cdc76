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
	)
	var nodes []*corev1.Node
	for _, age := range []string{"new", "old"} {
		for _, site := range []string{"a", "b"} {
			name := age + "-" + site
			made := node(name, map[string]string{corev1.LabelHostname: name, accelerator: age, "example.com/site": site})
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
	const old, invalid = "the accelerator is old", "the licence is not valid here"
	cases := map[string]struct {
		uses []corev1.ResourceName
		// refused are the nodes that a profile refuses, each with a reason it gives.
		refused map[string]string
	}{
		"accelerated": {[]corev1.ResourceName{accelerator}, map[string]string{"old-a": old, "old-b": old}},
		"licensed":    {[]corev1.ResourceName{licence}, map[string]string{"new-b": invalid, "old-b": invalid}},
		"both":        {[]corev1.ResourceName{accelerator, licence}, map[string]string{"new-b": invalid, "old-a": old, "old-b": old}},
		"plain":       {nil, nil},
	}
	// One pod for each node, which may run on no other: where the scheduler would
	// put a pod that may run on several is by chance.
	var pods []*corev1.Pod
	bound := 0
	for name, test := range cases {
		for _, node := range nodes {
			made := uses(name+"-"+node.Name, test.uses...)
			made.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node.Name}
			pods = append(pods, made)
			if test.refused[node.Name] == "" {
				bound++
			}
		}
	}
	createPods(t, client, namespace, append(pods, uses("undecided", unheardOf)))
	eventually(t, 30*time.Second, func() error {
		list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName!="})
		if err == nil && len(list.Items) < bound {
			err = fmt.Errorf("%d of %d pods have a node", len(list.Items), bound)
		}
		return err
	})
	for name, test := range cases {
		hosts := hostsOf(t, client, namespace, name+"-")
		for _, node := range nodes {
			reason := test.refused[node.Name]
			if slices.Contains(hosts, node.Name) != (reason == "") {
				t.Errorf("%s: pods are on %v, and %s is refused: %q", name, hosts, node.Name, reason)
			}
			if reason == "" {
				continue
			}
			if message := failedScheduling(t, client, namespace, name+"-"+node.Name); !strings.Contains(message, reason) {
				t.Errorf("%s on %s: the FailedScheduling event does not say %q: %s", name, node.Name, reason, message)
			}
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
