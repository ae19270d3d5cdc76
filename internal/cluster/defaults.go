package cluster

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// withDefaultRequests is the pod with the requests that kube-apiserver adds to a pod
// that is created with limits only: SetDefaults_Pod for containers and init
// containers, and DefaultPodLevelResources (KEP-2837) for the pod as a whole. A pod
// from the API server has these requests, and is returned unchanged; a pod in a body
// that a user wrote may lack them. The argument is not changed.
func withDefaultRequests(pod *corev1.Pod) *corev1.Pod {
	containers := defaultContainers(pod.Spec.Containers)
	initContainers := defaultContainers(pod.Spec.InitContainers)
	if containers != nil || initContainers != nil {
		copied := *pod
		if containers != nil {
			copied.Spec.Containers = containers
		}
		if initContainers != nil {
			copied.Spec.InitContainers = initContainers
		}
		pod = &copied
	}
	if requests := podLevelRequests(pod); requests != nil {
		copied := *pod
		resources := *pod.Spec.Resources
		resources.Requests = requests
		copied.Spec.Resources = &resources
		pod = &copied
	}
	return pod
}

// defaultContainers are the containers with their requests; nil where no request is
// missing.
func defaultContainers(containers []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for i := range containers {
		requests := defaulted(containers[i].Resources.Requests, containers[i].Resources.Limits)
		if requests == nil {
			continue
		}
		if out == nil {
			out = slices.Clone(containers)
		}
		out[i].Resources.Requests = requests
	}
	return out
}

// defaulted are the requests, with the limits for resources without a request; nil
// where no request is missing.
func defaulted(requests, limits corev1.ResourceList) corev1.ResourceList {
	var out corev1.ResourceList
	for name, limit := range limits {
		if _, written := requests[name]; written {
			continue
		}
		if out == nil {
			out = make(corev1.ResourceList, len(requests)+len(limits))
			maps.Copy(out, requests)
		}
		out[name] = limit
	}
	return out
}

// podLevelRequests are the requests of the pod as a whole, with the requests that
// follow from its limits; nil where there is nothing to add. For cpu and memory they
// follow only where no container requests any; otherwise the sum of the containers'
// requests counts, as the API server writes it. The containers' limits of huge pages
// are limits of the pod.
func podLevelRequests(pod *corev1.Pod) corev1.ResourceList {
	whole := pod.Spec.Resources
	if whole == nil || len(whole.Limits)+len(whole.Requests) == 0 {
		return nil
	}
	inContainers := resource.AggregateContainerRequests(pod, resource.PodResourcesOptions{})
	follow := corev1.ResourceList{}
	for name, limit := range resource.AggregateContainerLimits(pod, resource.PodResourcesOptions{}) {
		if strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
			follow[name] = limit
		}
	}
	for name, limit := range whole.Limits {
		_, requested := inContainers[name]
		if requested && (name == corev1.ResourceCPU || name == corev1.ResourceMemory) || !resource.IsSupportedPodLevelResource(name) {
			continue
		}
		follow[name] = limit
	}
	return defaulted(whole.Requests, follow)
}
