package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// What testdata/scheduling/devices.rego reads and writes.
const (
	gpuAnnotation         = "example.com/gpu"
	gpuMemoryAnnotation   = "example.com/gpu-memory"
	gpusAnnotation        = "example.com/gpus"
	memoryOfGPUAnnotation = "example.com/memory-of-a-gpu"

	memoryOfGPU = 16

	// What rego/lib/scheduling/gpushare.rego reads and writes.
	gpushareAnnotation = "ALIYUN_COM_GPU_MEM_IDX"
	gpushareMemory     = "aliyun.com/gpu-mem"
	gpushareCount      = "aliyun.com/gpu-count"
)

// seesDevices is the section of a configuration by which policies see who has
// which device.
const seesDevices = "  podAnnotations: [example.com/gpu, example.com/gpu-memory]\n"

// deviceNodes are n nodes with two to four devices each, and how many those are
// together.
func deviceNodes(n int) (nodes []*corev1.Node, devices int) {
	for i := range n {
		made := node(fmt.Sprint("gpus-", i), nil)
		made.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("110")
		made.Annotations = map[string]string{gpusAnnotation: strconv.Itoa(2 + i%3), memoryOfGPUAnnotation: strconv.Itoa(memoryOfGPU)}
		// The capacity is the same map.
		made.Status.Allocatable[gpushareCount] = *resource.NewQuantity(int64(2+i%3), resource.DecimalSI)
		made.Status.Allocatable[gpushareMemory] = *resource.NewQuantity(int64(2+i%3)*memoryOfGPU, resource.DecimalSI)
		devices += 2 + i%3
		nodes = append(nodes, made)
	}
	return nodes, devices
}

// devicePod wants that much memory of one device.
func devicePod(name string, memory int) *corev1.Pod {
	made := pod(name, "")
	made.Annotations = map[string]string{gpuMemoryAnnotation: strconv.Itoa(memory)}
	resources := &made.Spec.Containers[0].Resources
	resources.Requests[gpushareMemory] = *resource.NewQuantity(int64(memory), resource.DecimalSI)
	resources.Limits = corev1.ResourceList{gpushareMemory: resources.Requests[gpushareMemory]}
	return made
}

// 200 pods want more memory than all devices have. None is given out twice, and
// none is left while a pod waits that would fit. One policy decides by
// annotations; the other is that of docs/scheduling/share-gpus.md.
func TestDevicesAreNeverShared(t *testing.T) {
	t.Run("by annotations", func(t *testing.T) {
		arrange(t, shared.ConfigurationFlags())
		usePlacement(t, shared, "devices.rego")
		replica := startReplica(t, shared, "devices", controlplane.ReplicaOptions{Scheduling: seesDevices})
		testManyDevicePods(t, replica, "devices", controlplane.Extender{URL: replica.URL() + "/scheduler", Verbs: []string{"filter", "bind"}})
	})
	t.Run("by the library", func(t *testing.T) {
		arrange(t, shared.ConfigurationFlags())
		page, err := os.ReadFile(filepath.Join(repository(t), "docs", "scheduling", "share-gpus.md"))
		must(t, err)
		_, after, _ := strings.Cut(string(page), "```rego\n# file: gpushare/gpushare.rego\n")
		policy, _, found := strings.Cut(after, "```")
		if !found {
			t.Fatal("the page has no policy")
		}
		write(t, filepath.Join(shared.PolicyDir(), "gpushare.rego"), policy)
		replica := startReplica(t, shared, "gpushare", controlplane.ReplicaOptions{
			Scheduling: "  profiles: [gpushare]\n  podAnnotations: [" + gpushareAnnotation + "]\n",
		})
		testManyDevicePods(t, replica, "gpushare", controlplane.Extender{
			URL: replica.URL() + "/scheduler/gpushare", Verbs: []string{"filter", "prioritize", "bind"}, Resources: []string{gpushareMemory},
		})
	})
}

func testManyDevicePods(t *testing.T, replica *controlplane.Replica, namespace string, extender controlplane.Extender) {
	client := admin(t)
	nodes, devices := deviceNodes(10)
	createNodes(t, client, replica, nodes)
	startScheduler(t, shared, extender)
	makeNamespace(t, client, namespace)
	var pods []*corev1.Pod
	for i := range 200 {
		memory := 4
		if i%5 == 0 {
			memory = 8
		}
		pods = append(pods, devicePod(fmt.Sprint("pod-", i), memory))
	}
	rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	began := time.Now()
	createPods(t, client, namespace, pods)
	created := time.Since(began)

	// The small ones fill whatever the large ones leave.
	want := devices * memoryOfGPU
	eventually(t, time.Minute, func() error {
		if given := devicesGiven(t, client, namespace); given.memory != want {
			return fmt.Errorf("%d of %d memory is given out, to %d pods", given.memory, want, given.pods)
		}
		return nil
	})
	took := time.Since(began)
	time.Sleep(2 * time.Second) // who still waits is tried again meanwhile
	given := devicesGiven(t, client, namespace)
	if given.memory != want || len(given.devices) != devices {
		t.Errorf("%d memory of %d devices is given out, want %d of %d", given.memory, len(given.devices), want, devices)
	}
	t.Logf("%d pods created in %s; %d fit and were placed in %s, %.0f a second", len(pods), created.Round(time.Millisecond),
		given.pods, took.Round(time.Millisecond), float64(given.pods)/took.Seconds())
}

// givenDevices is who has what, by the pods that are bound.
type givenDevices struct {
	pods, memory int
	waiting      int            // pods without a node
	devices      map[string]int // memory given, by node and device
}

// devicesGiven reads that from the apiserver, and fails the test where a device
// was given out beyond what it has, or none was given to a pod on a node.
func devicesGiven(t *testing.T, client kubernetes.Interface, namespace string) givenDevices {
	t.Helper()
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	given := givenDevices{devices: map[string]int{}}
	for _, pod := range list.Items {
		device, has := pod.Annotations[gpuAnnotation]
		if !has {
			device, has = pod.Annotations[gpushareAnnotation]
		}
		if bound := pod.Spec.NodeName != ""; bound != has {
			t.Fatalf("%s is on node %q with device %q", pod.Name, pod.Spec.NodeName, device)
		}
		if !has {
			given.waiting++
			continue
		}
		memory, err := strconv.Atoi(pod.Annotations[gpuMemoryAnnotation])
		must(t, err)
		given.pods++
		given.memory += memory
		given.devices[pod.Spec.NodeName+"/"+device] += memory
	}
	for device, memory := range given.devices {
		if memory > memoryOfGPU {
			t.Fatalf("%d memory of device %s was given out, and it has %d", memory, device, memoryOfGPU)
		}
	}
	return given
}

// usePlacement replaces the policy about placement by one of testdata/scheduling.
func usePlacement(t *testing.T, of *controlplane.ControlPlane, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "scheduling", file))
	must(t, err)
	edit(t, filepath.Join(of.PolicyDir(), "scheduling.rego"), string(text))
}

func startReplica(t *testing.T, of *controlplane.ControlPlane, name string, options controlplane.ReplicaOptions) *controlplane.Replica {
	t.Helper()
	replica, err := of.StartReplica(t.Context(), name, options)
	must(t, err)
	t.Cleanup(func() { replica.Kill() })
	return replica
}

func startScheduler(t *testing.T, of *controlplane.ControlPlane, extenders ...controlplane.Extender) {
	t.Helper()
	must(t, of.StartSchedulerWith(t.Context(), extenders...))
	t.Cleanup(of.StopScheduler)
}

// createNodes makes nodes, and waits until the replica knows them: a pod that is
// refused because of that is not tried again for minutes.
func createNodes(t *testing.T, client kubernetes.Interface, replica *controlplane.Replica, nodes []*corev1.Node) {
	t.Helper()
	for _, node := range nodes {
		_, err := client.CoreV1().Nodes().Create(t.Context(), node, createOptions)
		must(t, err)
		t.Cleanup(func() { remove(t, client.CoreV1().Nodes().Delete, node.Name) })
	}
	awaitNodes(t, replica.OperationsURL, len(nodes))
}

// awaitNodes waits until the verdict whose operations address that is knows this
// many nodes.
func awaitNodes(t *testing.T, operations string, n int) {
	t.Helper()
	known := fmt.Sprintf(" %d nodes, ", n)
	eventually(t, time.Minute, func() error {
		status, err := page(t, operations+"/readyz?verbose")
		if err == nil && !strings.Contains(status, known) {
			return fmt.Errorf("verdict does not know%s:\n%s", known, status)
		}
		return err
	})
}

// page gets what is at that address, whatever the status.
func page(t *testing.T, url string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// createPods makes pods as fast as it goes.
func createPods(t *testing.T, client kubernetes.Interface, namespace string, pods []*corev1.Pod) {
	t.Helper()
	const hands = 8
	waiting := make(chan *corev1.Pod, len(pods))
	for _, pod := range pods {
		waiting <- pod
	}
	close(waiting)
	var creating sync.WaitGroup
	for range hands {
		creating.Go(func() {
			for pod := range waiting {
				if _, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, createOptions); err != nil {
					t.Errorf("create %s: %v", pod.Name, err)
				}
			}
		})
	}
	creating.Wait()
}
