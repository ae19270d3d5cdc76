package generate

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// boundApps are the workloads that pods on nodes belong to.
	boundApps = 200
	// boundTeams are their namespaces.
	boundTeams = 20
	// noisy of a thousand pods carry noisyLabel.
	noisy = 10
)

// noisyLabel is "true" on some pods.
const noisyLabel = "example.com/noisy"

// Namespaces are those that bound pods are in.
func Namespaces() []string {
	names := make([]string, boundTeams)
	for i := range names {
		names[i] = fmt.Sprintf("team-%03d", i)
	}
	return names
}

// BoundPod makes pod number i, a replica of some workload, on a node. It can be
// created: it holds nothing that the API server gives out.
func BoundPod(node string, i int, seed uint64) *corev1.Pod {
	random := rand.New(rand.NewPCG(seed, uint64(i)<<8|6))
	app := random.IntN(boundApps)
	p := pod(rand.New(rand.NewPCG(seed, uint64(app)<<8|7)), app) // alike for all replicas
	name := fmt.Sprintf("app-%03d-5d4f8c7b9", app)
	isController := true
	p.ObjectMeta = metav1.ObjectMeta{
		Name: fmt.Sprintf("%s-%08d", name, i), Namespace: fmt.Sprintf("team-%03d", app%boundTeams),
		Labels: p.Labels, Annotations: p.Annotations,
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name, Controller: &isController,
			UID: types.UID(fmt.Sprintf("7d3c9d2e-0000-4000-8000-%012x", app)),
		}},
	}
	if random.IntN(1000) < noisy {
		p.Labels[noisyLabel] = "true"
	}
	p.Spec.NodeName = node
	p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(100+50*(app%12)), resource.DecimalSI)
	p.Spec.Containers[1].Ports = nil // those of the first
	p.Status = corev1.PodStatus{}
	return p
}

// Creatable is a copy of the node that can be created: without what the API
// server gives out.
func Creatable(node *corev1.Node) *corev1.Node {
	made := node.DeepCopy()
	made.UID, made.ResourceVersion, made.CreationTimestamp = "", "", metav1.Time{}
	return made
}
