package cluster

import (
	"maps"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func resources(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func requesting(name string, pairs ...string) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: resources(pairs...)}}
}

func limited(name string, pairs ...string) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Limits: resources(pairs...)}}
}

// The loadtest module compares with kube-scheduler itself, on many pods.
func TestPodRequests(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	sidecar := requesting("sidecar", "cpu", "100m")
	sidecar.RestartPolicy = &always
	tests := map[string]struct {
		pod  corev1.Pod
		want map[string]int64
	}{
		"containers are summed": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
				requesting("a", "cpu", "1", "memory", "1Gi"), requesting("b", "cpu", "500m", "nvidia.com/gpu", "2"),
			}}},
			map[string]int64{"cpu": 1500, "memory": 1 << 30, "nvidia.com/gpu": 2},
		},
		"the largest init container counts": {
			corev1.Pod{Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{requesting("i", "cpu", "3"), requesting("j", "cpu", "2")},
				Containers:     []corev1.Container{requesting("a", "cpu", "1")},
			}},
			map[string]int64{"cpu": 3000},
		},
		"sidecars stay": {
			corev1.Pod{Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{sidecar, requesting("i", "cpu", "2")},
				Containers:     []corev1.Container{requesting("a", "cpu", "1")},
			}},
			map[string]int64{"cpu": 2100},
		},
		"overhead is added": {
			corev1.Pod{Spec: corev1.PodSpec{Overhead: resources("cpu", "250m"), Containers: []corev1.Container{requesting("a", "cpu", "1")}}},
			map[string]int64{"cpu": 1250},
		},
		"requests of the pod go before": {
			corev1.Pod{Spec: corev1.PodSpec{
				Resources:  &corev1.ResourceRequirements{Requests: resources("cpu", "2")},
				Containers: []corev1.Container{requesting("a", "cpu", "1", "memory", "1Ki")},
			}},
			map[string]int64{"cpu": 2000, "memory": 1024},
		},
		"a resize in place that is under way": {
			corev1.Pod{
				Spec: corev1.PodSpec{Containers: []corev1.Container{requesting("a", "cpu", "1")}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
					{Name: "a", AllocatedResources: resources("cpu", "3")},
				}},
			},
			map[string]int64{"cpu": 3000},
		},
		"what the scheduler does not count": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
				requesting("a", "storage", "1", "requests.example.com/x", "1", "pods", "3", "hugepages-2Mi", "4Mi"),
			}}},
			map[string]int64{"hugepages-2Mi": 4 << 20},
		},
		"requests follow limits": {
			corev1.Pod{Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{limited("i", "cpu", "3")},
				Containers:     []corev1.Container{limited("a", "cpu", "1", "nvidia.com/gpu", "2"), requesting("b", "memory", "1Ki")},
			}},
			map[string]int64{"cpu": 3000, "nvidia.com/gpu": 2, "memory": 1024},
		},
		"what is requested goes before limits": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Resources: corev1.ResourceRequirements{
				Requests: resources("cpu", "1", "memory", "0"), Limits: resources("cpu", "2", "memory", "1Gi", "ephemeral-storage", "1Ki"),
			}}}}},
			map[string]int64{"cpu": 1000, "memory": 0, "ephemeral-storage": 1024},
		},
		"limits of the pod, where no container requests any": {
			corev1.Pod{Spec: corev1.PodSpec{
				Resources:  &corev1.ResourceRequirements{Limits: resources("cpu", "8", "memory", "1Gi", "hugepages-2Mi", "4Mi")},
				Containers: []corev1.Container{requesting("a", "cpu", "1")},
			}},
			map[string]int64{"cpu": 1000, "memory": 1 << 30, "hugepages-2Mi": 4 << 20},
		},
		"limits of containers go before those of the pod": {
			corev1.Pod{Spec: corev1.PodSpec{
				Resources:  &corev1.ResourceRequirements{Limits: resources("cpu", "8")},
				Containers: []corev1.Container{limited("a", "cpu", "2")},
			}},
			map[string]int64{"cpu": 2000},
		},
		"fractions are rounded up": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{requesting("a", "cpu", "100u", "memory", "500m")}}},
			map[string]int64{"cpu": 1, "memory": 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := test.pod.DeepCopy()
			if got := PodRequests(&test.pod); !maps.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if !reflect.DeepEqual(before, &test.pod) {
				t.Error("the pod was changed")
			}
		})
	}
}

func TestAllocatable(t *testing.T) {
	node := &corev1.Node{Status: corev1.NodeStatus{Allocatable: resources("cpu", "8", "memory", "32Gi", "pods", "110", "storage", "1", "nvidia.com/gpu", "8")}}
	want := map[string]int64{"cpu": 8000, "memory": 32 << 30, "pods": 110, "nvidia.com/gpu": 8}
	if got := Allocatable(node); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
