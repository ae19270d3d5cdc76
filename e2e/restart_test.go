package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// Verdict dies over and over just after the apiserver took a Binding of it, so
// that neither it nor the scheduler learns that the pod is bound. Every pod that
// fits is bound once all the same, and no device is given out twice.
func TestVerdictDiesBetweenBindAndAnswer(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	usePlacement(t, shared, "devices.rego")
	client := admin(t)
	const namespace, deaths = "dying", 4
	between := startBetween(t)
	replica := startReplica(t, shared, "dying", controlplane.ReplicaOptions{Scheduling: seesDevices, APIServer: between.server.URL})
	nodes, devices := deviceNodes(4)
	createNodes(t, client, replica, nodes)
	startScheduler(t, shared, controlplane.Extender{URL: replica.URL() + "/scheduler", Verbs: []string{"filter", "bind"}})
	makeNamespace(t, client, namespace)

	// Each pod fills a device; four are left over.
	var pods []*corev1.Pod
	for i := range devices + 4 {
		pods = append(pods, devicePod(fmt.Sprint("pod-", i), memoryOfGPU))
	}
	for i := range deaths {
		before := devicesGiven(t, client, namespace)
		between.die(replica.Kill)
		createPods(t, client, namespace, pods[2*i:2*i+2])
		eventually(t, 20*time.Second, func() error {
			if between.armed() {
				return fmt.Errorf("no Binding came by")
			}
			return nil
		})
		if given := devicesGiven(t, client, namespace); given.pods <= before.pods {
			t.Fatalf("death %d: no pod was bound", i)
		}
		if replica.Running() {
			t.Fatalf("death %d: verdict lives", i)
		}
		must(t, replica.Restart(t.Context()))
		awaitNodes(t, replica.OperationsURL, len(nodes))
	}
	createPods(t, client, namespace, pods[2*deaths:])
	eventually(t, 40*time.Second, func() error {
		if given := devicesGiven(t, client, namespace); given.pods != devices {
			return fmt.Errorf("%d of %d devices are given out", given.pods, devices)
		}
		return nil
	})

	// A scheduler that got no answer asks once more; nothing changes by that.
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	binder := binderAt(t, replica.URL())
	for _, pod := range list.Items {
		if pod.Spec.NodeName == "" {
			continue
		}
		if err := binder.Bind(bindingOf(&pod, pod.Spec.NodeName)); err != nil {
			t.Errorf("a retry of the bind of %s: %v", pod.Name, err)
		}
	}
	after, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	for i := range after.Items {
		if before, now := list.Items[i], after.Items[i]; before.Spec.NodeName != now.Spec.NodeName || before.Annotations[gpuAnnotation] != now.Annotations[gpuAnnotation] {
			t.Errorf("%s moved", now.Name)
		}
	}
	if given := devicesGiven(t, client, namespace); given.pods != devices || len(given.devices) != devices {
		t.Errorf("%d pods have %d devices, want %d", given.pods, len(given.devices), devices)
	}
}

func bindingOf(pod *corev1.Pod, node string) *corev1.Binding {
	return &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}
}

// between stands between a verdict and the apiserver, under verdict's name. It
// can end the verdict when the apiserver has taken a Binding, delay Bindings, and
// interrupt the watch of pods.
type between struct {
	server *httptest.Server
	mutex  sync.Mutex
	kill   func()        // nil: not armed
	late   time.Duration // each Binding
	// interrupted is closed when the lists and watches of pods that are open end;
	// none begins while it is down.
	interrupted chan struct{}
	down        bool
}

func startBetween(t *testing.T) *between {
	t.Helper()
	path, err := shared.CertificateKubeconfig(controlplane.VerdictUser)
	must(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	must(t, err)
	transport, err := rest.TransportFor(config)
	must(t, err)
	target, err := url.Parse(shared.APIServerURL())
	must(t, err)
	b := &between{interrupted: make(chan struct{})}
	b.server = httptest.NewServer(b.hold(&httputil.ReverseProxy{
		Rewrite:       func(request *httputil.ProxyRequest) { request.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ModifyResponse: func(response *http.Response) error {
			if request := response.Request; request.Method == http.MethodPost && strings.HasSuffix(request.URL.Path, "/binding") && response.StatusCode == http.StatusCreated {
				b.taken()
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}))
	t.Cleanup(func() { b.server.CloseClientConnections(); b.server.Close() })
	return b
}

// die calls kill after the next Binding, before verdict has the answer.
func (b *between) die(kill func()) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.kill = kill
}

func (b *between) armed() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.kill != nil
}

// taken is called for each Binding that the apiserver took. Others wait until the
// verdict is dead.
func (b *between) taken() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.kill != nil {
		b.kill()
		b.kill = nil
	}
}

// hold delays and interrupts what next answers.
func (b *between) hold(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mutex.Lock()
		late, interrupted, down := b.late, b.interrupted, b.down
		b.mutex.Unlock()
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/binding"):
			time.Sleep(late)
		case r.URL.Path == "/api/v1/pods":
			if down {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			go func() {
				select {
				case <-interrupted:
					cancel()
				case <-ctx.Done():
				}
			}()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// delay has each Binding reach the apiserver that much later.
func (b *between) delay(by time.Duration) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.late = by
}

// interrupt ends the lists and watches of pods, and keeps others from beginning
// until resume is called.
func (b *between) interrupt() (resume func()) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	close(b.interrupted)
	b.interrupted, b.down = make(chan struct{}), true
	return func() {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.down = false
	}
}
