package generate

import (
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// tenants and taints are those of ten nodes in turn each; "" is everybody's.
var (
	tenants = []string{"", "", "", "", "", "", "payments", "search", "checkout", "data"}
	taints  = []string{"", "", "", "", "", "", "spot", "gpu", "batch", "edge"}
)

const (
	zones = 3
	// imagesPerNode is what a kubelet reports at most by default.
	imagesPerNode = 50
	// NodeClasses are how many kinds of node there are, from 200 nodes on, in what
	// the policy for filter reads: 5 tenants × 5 taints × cordoned or not.
	NodeClasses = 50
)

// Nodes makes so many nodes. Each has a hostname label of its own.
func Nodes(count int, seed uint64) []corev1.Node {
	random := rand.New(rand.NewPCG(seed, 4))
	nodes := make([]corev1.Node, count)
	for i := range nodes {
		nodes[i] = node(random, i)
	}
	return nodes
}

// Form is how a scheduler tells of nodes.
type Form string

// The forms.
const (
	WholeNodes Form = "whole nodes"
	NodeNames  Form = "names"
)

// Specs says whether pods are like earlier ones. Names and UIDs never are.
type Specs string

// The kinds of pods.
const (
	// KnownSpecs are drawn from a few, as replicas are.
	KnownSpecs Specs = "pod specs seen before"
	// NewSpecs differ in what the policy reads, in every call.
	NewSpecs Specs = "pod specs never seen before"
)

// Placements returns the filter and the prioritize workload over nodes, for pods
// whose names are new in every call, drawn from podCount specs.
func Placements(nodes []corev1.Node, form Form, specs Specs, podCount int, seed uint64) (filter, prioritize *Workload, err error) {
	random := rand.New(rand.NewPCG(seed, 5))
	about := fmt.Sprintf("%d %s, label and taint policy, %s, the pod's name new in every call", len(nodes), form, specs)
	suffix := fmt.Sprintf(", %d nodes", len(nodes))
	filter = &Workload{Name: "filter" + suffix, About: about, Path: "/scheduler/filter", Rule: "loadtest/filter"}
	prioritize = &Workload{Name: "prioritize" + suffix, About: about, Path: "/scheduler/prioritize", Rule: "loadtest/prioritize"}
	args := extenderv1.ExtenderArgs{Nodes: &corev1.NodeList{Items: nodes}}
	if form == NodeNames {
		names := make([]string, len(nodes))
		for i := range nodes {
			names[i] = nodes[i].Name
		}
		args = extenderv1.ExtenderArgs{NodeNames: &names}
	}
	for i := range podCount {
		args.Pod = pod(random, i)
		if specs == NewSpecs {
			args.Pod.Spec.Tolerations = append(args.Pod.Spec.Tolerations, corev1.Toleration{Key: "example.com/job", Operator: corev1.TolerationOpEqual, Value: hole})
			args.Pod.Spec.Containers[0].Image += "-" + hole
		}
		sample, err := newSample(args)
		if err != nil {
			return nil, nil, err
		}
		filter.Samples = append(filter.Samples, sample)
	}
	prioritize.Samples = filter.Samples
	return filter, prioritize, nil
}

// epoch dates the objects: some fixed time, for the bytes to be the same.
var epoch = metav1.NewTime(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))

func pod(random *rand.Rand, i int) *corev1.Pod {
	annotations := map[string]string{"verdict.dev/zones": fmt.Sprintf("eu-1%c,eu-1%c", 'a'+rune(i%zones), 'a'+rune((i+1)%zones))}
	if tenant := tenants[random.IntN(len(tenants))]; tenant != "" {
		annotations["verdict.dev/tenant"] = tenant
	}
	app := fmt.Sprintf("app-%02d", i)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              app + "-" + hole,
			Namespace:         fmt.Sprintf("team-%03d", i),
			UID:               types.UID("7d3c9d2e-0000-4000-8000-" + hole),
			ResourceVersion:   "123456",
			CreationTimestamp: epoch,
			Labels:            map[string]string{"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop", "pod-template-hash": "5d4f8c7b9"},
			Annotations:       annotations,
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{
				container(app, imageName(random.IntN(imagesPerNode)), "250m", "256Mi"),
				container("proxy", imageName(random.IntN(imagesPerNode)), "50m", "64Mi"),
			},
			RestartPolicy:      corev1.RestartPolicyAlways,
			DNSPolicy:          corev1.DNSClusterFirst,
			ServiceAccountName: app,
			SchedulerName:      corev1.DefaultSchedulerName,
			Tolerations: []corev1.Toleration{
				{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
				{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
			},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable},
	}
	if i%2 == 0 {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: taintPrefix + "spot", Operator: corev1.TolerationOpExists})
	}
	return p
}

func container(name, image, cpu, memory string) corev1.Container {
	return corev1.Container{
		Name:            name,
		Image:           image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Ports:           []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		Env:             []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}, {Name: "REGION", Value: "eu-1"}},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		}},
	}
}

func imageName(i int) string {
	return fmt.Sprintf("registry.example.com/shop/service-%02d:v1.%d.0", i, i%7)
}

// taintPrefix begins the keys of taints.
const taintPrefix = "example.com/"

func node(random *rand.Rand, i int) corev1.Node {
	name := fmt.Sprintf("worker-%05d", i)
	zone := fmt.Sprintf("eu-1%c", 'a'+rune(i%zones))
	n := corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:              name,
			Labels:            nodeLabels(random, name, zone, i),
			UID:               types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), i)),
			ResourceVersion:   fmt.Sprint(100000 + i),
			CreationTimestamp: epoch,
			Annotations: map[string]string{
				"node.alpha.kubernetes.io/ttl":                           "0",
				"volumes.kubernetes.io/controller-managed-attach-detach": "true",
				"csi.volume.kubernetes.io/nodeid":                        `{"disk.csi.example.com":"` + name + `"}`,
			},
		},
		Spec: corev1.NodeSpec{PodCIDR: fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), ProviderID: "example:///" + zone + "/" + name},
		Status: corev1.NodeStatus{
			Capacity:    capacity("8", "32Gi"),
			Allocatable: capacity("7910m", "30Gi"),
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.%d.%d", i/256, i%256)},
				{Type: corev1.NodeHostName, Address: name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				KernelVersion: "6.12.1", OSImage: "Example Linux 12", ContainerRuntimeVersion: "containerd://2.1.0",
				KubeletVersion: "v1.37.2", OperatingSystem: "linux", Architecture: "amd64",
			},
			Conditions: conditions(),
			Images:     images(random),
		},
	}
	if taint := taints[i/10%10]; taint != "" {
		n.Spec.Taints = []corev1.Taint{{Key: taintPrefix + taint, Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	}
	return n
}

func nodeLabels(random *rand.Rand, name, zone string, i int) map[string]string {
	labels := map[string]string{
		corev1.LabelHostname:           name,
		corev1.LabelTopologyZone:       zone,
		corev1.LabelTopologyRegion:     "eu-1",
		corev1.LabelArchStable:         "amd64",
		corev1.LabelOSStable:           "linux",
		corev1.LabelInstanceTypeStable: []string{"m.large", "m.xlarge", "c.xlarge"}[random.IntN(3)],
		"node.example.com/pool":        fmt.Sprintf("pool-%d", i%5),
	}
	if tenant := tenants[i%10]; tenant != "" {
		labels["verdict.dev/tenant"] = tenant
	}
	if (i/100)%20 == 1 { // the second hundred, and 1 in 20
		labels["verdict.dev/cordoned"] = "true"
	}
	return labels
}

func conditions() []corev1.NodeCondition {
	var all []corev1.NodeCondition
	for _, kind := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady} {
		status := corev1.ConditionFalse
		if kind == corev1.NodeReady {
			status = corev1.ConditionTrue
		}
		all = append(all, corev1.NodeCondition{
			Type: kind, Status: status, LastHeartbeatTime: epoch, LastTransitionTime: epoch,
			Reason: "Kubelet" + string(kind), Message: "kubelet reports its condition " + string(kind),
		})
	}
	return all
}

// images are about a third of all images.
func images(random *rand.Rand) []corev1.ContainerImage {
	var all []corev1.ContainerImage
	for image := range imagesPerNode {
		if random.IntN(3) > 0 {
			continue
		}
		all = append(all, corev1.ContainerImage{
			Names:     []string{fmt.Sprintf("registry.example.com/shop/service-%02d@sha256:%064x", image, image+1), imageName(image)},
			SizeBytes: 40<<20 + int64(image),
		})
	}
	return all
}

func capacity(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
}
