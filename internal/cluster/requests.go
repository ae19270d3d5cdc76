package cluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/component-helpers/resource"
)

// PodRequests returns what the pod counts for on its node, as kube-scheduler
// counts it (NodeInfo.AddPod): containers, init containers, sidecars, overhead,
// requests of the pod as a whole, and what a resize in place has come to. In
// milli-CPU for cpu, else in units. Requests that are not written follow from
// limits, as in the API server. The feature gates are those that are on by default
// in Kubernetes 1.37.
func PodRequests(pod *corev1.Pod) map[string]int64 {
	return amounts(resource.PodRequests(withDefaultRequests(pod), resource.PodResourcesOptions{
		UseStatusResources: true,
		InPlacePodLevelResourcesVerticalScalingEnabled: true,
	}), false)
}

// Allocatable returns the node's status.allocatable as kube-scheduler counts it,
// in milli-CPU for cpu, else in units.
func Allocatable(node *corev1.Node) map[string]int64 {
	return amounts(node.Status.Allocatable, true)
}

// amounts leaves out, as the scheduler's framework.Resource does, what is
// neither a resource that it knows nor an extended one.
func amounts(list corev1.ResourceList, withPods bool) map[string]int64 {
	out := make(map[string]int64, len(list))
	for name, quantity := range list {
		switch {
		case name == corev1.ResourceCPU:
			out[string(name)] = quantity.MilliValue()
		case name == corev1.ResourcePods:
			if withPods {
				out[string(name)] = quantity.Value()
			}
		case name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage, isScalar(name):
			out[string(name)] = quantity.Value()
		}
	}
	return out
}

// isScalar tells what kube-scheduler counts beyond cpu, memory and
// ephemeral-storage: extended resources, huge pages, attachable volumes and
// names of kubernetes.io.
func isScalar(name corev1.ResourceName) bool {
	text := string(name)
	switch {
	case strings.HasPrefix(text, corev1.ResourceHugePagesPrefix),
		strings.HasPrefix(text, corev1.ResourceAttachableVolumesPrefix),
		strings.Contains(text, corev1.ResourceDefaultNamespacePrefix):
		return true
	case !strings.Contains(text, "/"), strings.HasPrefix(text, corev1.DefaultResourceRequestsPrefix):
		return false
	}
	return len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+text)) == 0
}
