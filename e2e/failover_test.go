package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// Of two replicas one binds. The other takes over when that is frozen, killed or
// stopped, pods are bound all the time but for the change, and no device is
// given out twice.
func TestFailoverByLease(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	usePlacement(t, shared, "devices.rego")
	client := admin(t)
	options := controlplane.ReplicaOptions{Scheduling: seesDevices, Elected: true}
	replicas := []*controlplane.Replica{
		startReplica(t, shared, "replica-0", options),
		startReplica(t, shared, "replica-1", options),
	}
	nodes, _ := deviceNodes(10)
	createNodes(t, client, replicas[0], nodes)
	awaitNodes(t, replicas[1].OperationsURL, len(nodes))
	service := startBindService(t, replicas)
	startScheduler(t, shared, controlplane.Extender{URL: "https://" + service.address() + "/scheduler", Verbs: []string{"filter", "bind"}})

	const namespace = "failover"
	makeNamespace(t, client, namespace)
	pods := startPods(t, client, namespace)
	// What a dead one of an earlier run held runs out first.
	active, passive := replicas[service.elected(t, 40*time.Second)], (*controlplane.Replica)(nil)
	if passive = replicas[0]; active == passive {
		passive = replicas[1]
	}
	pods.areBound(t, 15*time.Second)
	refusesToBind(t, client, passive)

	// takesOver waits until the passive one binds, and swaps the two.
	takesOver := func(what string, limit time.Duration) {
		t.Helper()
		began := time.Now()
		eventually(t, limit, func() error { return passive.Binds(t.Context()) })
		elected := time.Since(began)
		active, passive = passive, active
		t.Logf("%s: the other one was elected after %s", what, elected.Round(10*time.Millisecond))
	}
	const lease = 25 * time.Second // as docs/operate.md has it

	active.Kill()
	takesOver("killed", lease)
	pods.areBound(t, 15*time.Second)
	must(t, passive.Restart(t.Context()))
	awaitNodes(t, passive.OperationsURL, len(nodes))

	must(t, active.Signal(syscall.SIGTERM))
	takesOver("stopped", 5*time.Second)
	pods.areBound(t, 15*time.Second)
	must(t, passive.Wait(t.Context()))
	must(t, passive.Restart(t.Context()))
	awaitNodes(t, passive.OperationsURL, len(nodes))

	must(t, active.Signal(syscall.SIGSTOP))
	takesOver("frozen", lease)
	must(t, passive.Signal(syscall.SIGCONT))
	// The connections of the scheduler still lead to it.
	pods.areBound(t, 15*time.Second)
	refusesToBind(t, client, passive)

	bound := pods.allBound(t)
	if service.both.Load() > 0 {
		t.Errorf("both replicas said %d times that they bind", service.both.Load())
	}
	t.Logf("%d pods were bound", bound)
}

// refusesToBind requires that a replica that was not elected binds no pod.
func refusesToBind(t *testing.T, client kubernetes.Interface, passive *controlplane.Replica) {
	t.Helper()
	list, err := client.CoreV1().Pods("failover").List(t.Context(), metav1.ListOptions{})
	must(t, err)
	pod := list.Items[0]
	err = binderAt(t, passive.URL()).Bind(&corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: "gpus-0"},
	})
	// One that has just lost the Lease does not know yet who has it.
	if err == nil || !strings.Contains(err.Error(), "replica") {
		t.Errorf("the passive replica says %v, want that it is not the one that binds", err)
	}
}

// bindService leads connections to the replica whose readiness says that it
// binds, as a Service does: one that was made stays where it leads.
type bindService struct {
	listener net.Listener
	replicas []*controlplane.Replica
	active   atomic.Int64 // index, -1 for none
	both     atomic.Int64 // how often two said that they bind
}

func startBindService(t *testing.T, replicas []*controlplane.Replica) *bindService {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &bindService{listener: listener, replicas: replicas}
	s.active.Store(-1)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); _ = listener.Close(); running.Wait() })
	running.Go(func() {
		for ctx.Err() == nil {
			s.probe(ctx)
			time.Sleep(100 * time.Millisecond)
		}
	})
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.lead(ctx, connection) })
		}
	})
	return s
}

func (s *bindService) address() string { return s.listener.Addr().String() }

func (s *bindService) probe(ctx context.Context) {
	ready := func(i int) bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return s.replicas[i].Binds(ctx) == nil
	}
	first, second := ready(0), ready(1)
	switch {
	case first && second && ready(0):
		s.both.Add(1)
	case first:
		s.active.Store(0)
	case second:
		s.active.Store(1)
	default:
		s.active.Store(-1)
	}
}

func (s *bindService) lead(ctx context.Context, connection net.Conn) {
	defer connection.Close()
	i := s.active.Load()
	if i < 0 {
		return
	}
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.replicas[i].Address)
	if err != nil {
		return
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() { _ = to.Close(); _ = connection.Close() })
	defer stop()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(connection, to)
		_ = connection.Close()
	}()
	_, _ = io.Copy(to, connection)
	_ = to.Close()
	<-back
}

// elected waits until some replica binds.
func (s *bindService) elected(t *testing.T, limit time.Duration) int {
	t.Helper()
	eventually(t, limit, func() error {
		if s.active.Load() < 0 {
			return fmt.Errorf("no replica binds")
		}
		return nil
	})
	return int(s.active.Load())
}

// steadyPods are made one after the other, a few a second.
type steadyPods struct {
	client    kubernetes.Interface
	namespace string
	cancel    context.CancelFunc
	creating  sync.WaitGroup
}

func startPods(t *testing.T, client kubernetes.Interface, namespace string) *steadyPods {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &steadyPods{client: client, namespace: namespace, cancel: cancel}
	t.Cleanup(p.stop)
	p.creating.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			// An apiserver that is away gets none.
			_, _ = client.CoreV1().Pods(namespace).Create(ctx, devicePod(fmt.Sprint("pod-", n), 2), createOptions)
			select {
			case <-ctx.Done():
			case <-time.After(400 * time.Millisecond):
			}
		}
	})
	return p
}

// areBound waits until a pod is bound that is made from now on.
func (p *steadyPods) areBound(t *testing.T, limit time.Duration) {
	t.Helper()
	began := time.Now()
	eventually(t, limit, func() error {
		list, err := p.client.CoreV1().Pods(p.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		bound := 0
		for _, pod := range list.Items {
			if pod.Spec.NodeName == "" {
				continue
			}
			bound++
			if pod.CreationTimestamp.After(began) {
				return nil
			}
		}
		return fmt.Errorf("%d of %d pods are bound, and none made since %s", bound, len(list.Items), began)
	})
	t.Logf("a new pod was bound after %s", time.Since(began).Round(10*time.Millisecond))
}

// allBound makes no more pods, waits until those that there are were bound, and
// returns how many that are.
func (p *steadyPods) allBound(t *testing.T) int {
	t.Helper()
	p.stop()
	var given givenDevices
	eventually(t, 30*time.Second, func() error {
		if given = devicesGiven(t, p.client, p.namespace); given.waiting > 0 {
			return fmt.Errorf("%d pods wait", given.waiting)
		}
		return nil
	})
	return given.pods
}

func (p *steadyPods) stop() {
	p.cancel()
	p.creating.Wait()
}
