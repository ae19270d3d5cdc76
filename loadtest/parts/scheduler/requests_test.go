package scheduler

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	core "k8s.io/kubernetes/pkg/apis/core"
	apiserver "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/verdict-dev/verdict/internal/cluster"
)

// The requests of pods and the resources of nodes that policies see are those that
// kube-scheduler itself counts, with the feature gates that it ships with.
func TestRequestsAreThoseOfTheScheduler(t *testing.T) {
	const nodes, podsPerNode = 500, 20
	g := podGenerator{rand.New(rand.NewPCG(1, 2))}
	for n := range nodes {
		info, ours := framework.NewNodeInfo(), map[string]int64{}
		node := &corev1.Node{Status: corev1.NodeStatus{Allocatable: g.resources()}}
		info.SetNode(node)
		if got, want := cluster.Allocatable(node), amounts(info.Allocatable, true); !equal(got, want) {
			t.Fatalf("%v is allocatable: we count %v, the scheduler %v", node.Status.Allocatable, got, want)
		}
		for p := range podsPerNode {
			pod := g.pod(fmt.Sprint(n, "-", p))
			alone := framework.NewNodeInfo(pod)
			if got, want := cluster.PodRequests(pod), amounts(alone.Requested, false); !equal(got, want) {
				t.Fatalf("pod %+v\nstatus %+v\nrequests: we count %v, the scheduler %v", pod.Spec, pod.Status, got, want)
			}
			info.AddPod(pod)
			for name, amount := range cluster.PodRequests(pod) {
				ours[name] += amount
			}
		}
		if want := amounts(info.Requested, false); !equal(ours, want) {
			t.Fatalf("%d pods request: we count %v, the scheduler %v", podsPerNode, ours, want)
		}
	}
}

// For a pod that has no defaults yet, with limits in the place of some requests, the
// requests are those that the scheduler counts once kube-apiserver has set the defaults.
func TestRequestsFollowLimitsAsInTheAPIServer(t *testing.T) {
	g := podGenerator{rand.New(rand.NewPCG(3, 4))}
	differ := 0
	for n := range 20_000 {
		pod := g.pod(fmt.Sprint(n))
		pod.Status = corev1.PodStatus{} // it was never created
		for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
			for i := range containers {
				containers[i].Resources.Limits = g.resources()
			}
		}
		if g.IntN(3) == 0 {
			pod.Spec.Resources = &corev1.ResourceRequirements{Limits: g.resources()}
			if g.IntN(2) == 0 {
				pod.Spec.Resources.Requests = g.resources()
			}
		}
		made := pod.DeepCopy()
		apiserver.SetDefaults_Pod(made)
		var created core.Pod
		if err := apiserver.Convert_v1_Pod_To_core_Pod(made, &created, nil); err != nil {
			t.Fatal(err)
		}
		podutil.DefaultPodLevelResources(&created)
		var stored corev1.Pod
		if err := apiserver.Convert_core_Pod_To_v1_Pod(&created, &stored, nil); err != nil {
			t.Fatal(err)
		}
		want := amounts(framework.NewNodeInfo(&stored).Requested, false)
		if got := cluster.PodRequests(pod); !equal(got, want) {
			t.Fatalf("pod %+v\nas it is stored %+v\nrequests: we count %v, the scheduler %v", pod.Spec, stored.Spec.Resources, got, want)
		}
		if !equal(want, amounts(framework.NewNodeInfo(pod).Requested, false)) {
			differ++
		}
	}
	if differ < 1000 {
		t.Errorf("defaults change the count of %d pods alone", differ)
	}
}

func amounts(r fwk.Resource, withPods bool) map[string]int64 {
	out := map[string]int64{
		"cpu": r.GetMilliCPU(), "memory": r.GetMemory(), "ephemeral-storage": r.GetEphemeralStorage(),
	}
	if withPods {
		out["pods"] = int64(r.GetAllowedPodNumber())
	}
	for name, amount := range r.GetScalarResources() {
		out[string(name)] = amount
	}
	return out
}

// equal takes what is not there for zero.
func equal(a, b map[string]int64) bool {
	withoutZeros := func(m map[string]int64) map[string]int64 {
		m = maps.Clone(m)
		maps.DeleteFunc(m, func(_ string, amount int64) bool { return amount == 0 })
		return m
	}
	return maps.Equal(withoutZeros(a), withoutZeros(b))
}

type podGenerator struct{ *rand.Rand }

func (g podGenerator) resources() corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, quantities := range map[corev1.ResourceName][]string{
		"cpu":                         {"0", "1", "100m", "1500m", "100u", "2k"},
		"memory":                      {"0", "128Mi", "1Gi", "1500m", "1e9"},
		"ephemeral-storage":           {"1Gi", "3"},
		"nvidia.com/gpu":              {"0", "1", "8"},
		"example.com/foo":             {"3"},
		"hugepages-2Mi":               {"2Mi", "4Mi"},
		"attachable-volumes-csi-x":    {"25"},
		"kubernetes.io/batch-cpu":     {"7"},
		"requests.example.com/foo":    {"1"},
		"storage":                     {"1Gi"},
		"pods":                        {"110"},
		"example.com/not a qualified": {"1"},
	} {
		if g.IntN(2) == 0 {
			list[name] = apiresource.MustParse(quantities[g.IntN(len(quantities))])
		}
	}
	if g.IntN(6) == 0 {
		return nil
	}
	return list
}

func (g podGenerator) container(name string) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: g.resources()}}
}

func (g podGenerator) status(name string) corev1.ContainerStatus {
	status := corev1.ContainerStatus{Name: name, AllocatedResources: g.resources()}
	if g.IntN(2) == 0 {
		status.Resources = &corev1.ResourceRequirements{Requests: g.resources()}
	}
	return status
}

func (g podGenerator) pod(name string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
	for i := range 1 + g.IntN(3) {
		name := fmt.Sprint("c", i)
		pod.Spec.Containers = append(pod.Spec.Containers, g.container(name))
		if g.IntN(3) == 0 {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, g.status(name))
		}
	}
	for i := range g.IntN(4) {
		name := fmt.Sprint("i", i)
		container := g.container(name)
		if g.IntN(2) == 0 {
			always := corev1.ContainerRestartPolicyAlways
			container.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container)
		if g.IntN(3) == 0 {
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, g.status(name))
		}
	}
	if g.IntN(3) == 0 {
		pod.Spec.Overhead = g.resources()
	}
	if g.IntN(3) == 0 {
		pod.Spec.Resources = &corev1.ResourceRequirements{Requests: g.resources()}
	}
	if g.IntN(3) == 0 {
		pod.Status.AllocatedResources = g.resources()
		pod.Status.Resources = &corev1.ResourceRequirements{Requests: g.resources()}
	}
	if g.IntN(4) == 0 {
		reasons := []string{corev1.PodReasonInfeasible, corev1.PodReasonDeferred}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Reason: reasons[g.IntN(2)]}}
	}
	return pod
}
