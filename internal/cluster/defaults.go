package cluster

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// withDefaultRequests is the pod with the requests that kube-apiserver gives one
// that is created with limits alone: SetDefaults_Pod for containers and init
// containers, and DefaultPodLevelResources (KEP-2837) for the pod as a whole. A
// pod that passed the API server has them, and is returned as it is; one in a
// body that somebody wrote may lack them. The pod is not changed.
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

// defaultContainers are the containers with their requests; nil where none lacks
// any.
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

// defaulted are the requests with the limits that they lack; nil where there are
// none of these.
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

// podLevelRequests are the requests of the pod as a whole with those that follow
// from its limits; nil where there is nothing to add. Of cpu and memory they follow
// only where no container requests any: what containers request counts otherwise,
// which is what the API server writes there. Huge pages that containers are limited
// to are a limit of the pod.
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
