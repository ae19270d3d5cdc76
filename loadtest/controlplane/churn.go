package controlplane

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

// churners create and delete pods at a time.
const churners = 8

// Churn creates and deletes pods all the time.
type Churn struct {
	Client corev1client.CoreV1Interface
	Nodes  []corev1.Node // on which the pods are put
	// FirstPod is the number of the first pod.
	FirstPod int
	// PerSecond pods are created a second, and as many are deleted: each a second
	// after it was created.
	PerSecond float64
	Seed      uint64
}

// Churned is what was done.
type Churned struct {
	Pods    int // created, and all of them deleted
	Elapsed time.Duration
}

// PerSecond is how many pods were created in a second.
func (c Churned) PerSecond() float64 {
	if c.Elapsed <= 0 {
		return 0
	}
	return float64(c.Pods) / c.Elapsed.Seconds()
}

// Run goes on until ctx is done, and then deletes what is left.
func (c Churn) Run(ctx context.Context) (Churned, error) {
	// Requests that have begun are finished: ctx ends the rhythm alone.
	all := context.WithoutCancel(ctx)
	began := time.Now()
	var next atomic.Int64
	running, stop := context.WithCancel(ctx)
	defer stop()
	workers := make([]churner, churners)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			if workers[w].err = c.work(running, all, &workers[w], began, &next); workers[w].err != nil {
				stop()
			}
		})
	}
	group.Wait()
	out := Churned{Elapsed: time.Since(began)}
	var failures []error
	for _, w := range workers {
		out.Pods += w.created
		failures = append(failures, w.err)
		for _, pod := range w.left {
			failures = append(failures, c.remove(all, pod))
		}
	}
	return out, errors.Join(failures...)
}

// churner is a worker that creates pods and deletes each later.
type churner struct {
	created int
	left    []*corev1.Pod // created and not deleted
	err     error
}

// work creates pods until running is done. The requests are made with all.
func (c Churn) work(running, all context.Context, w *churner, began time.Time, next *atomic.Int64) error {
	interval := time.Duration(float64(time.Second) / c.PerSecond)
	delay := max(int(c.PerSecond)/churners, 1) // in pods of this worker
	for {
		i := int(next.Add(1) - 1)
		if !wait(running, began.Add(time.Duration(i)*interval)) {
			return nil
		}
		pod := generate.BoundPod(c.node(i), c.FirstPod+i, c.Seed)
		if _, err := c.Client.Pods(pod.Namespace).Create(all, pod, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating a pod: %w", err)
		}
		w.created++
		if w.left = append(w.left, pod); len(w.left) <= delay {
			continue
		}
		if err := c.remove(all, w.left[0]); err != nil {
			return err
		}
		w.left = w.left[1:]
	}
}

// node is a random node: those of one time are spread over the list.
func (c Churn) node(i int) string {
	random := rand.New(rand.NewPCG(c.Seed, uint64(c.FirstPod+i)<<8|8))
	return c.Nodes[random.IntN(len(c.Nodes))].Name
}

func (c Churn) remove(ctx context.Context, pod *corev1.Pod) error {
	now := int64(0)
	if err := c.Client.Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		return fmt.Errorf("deleting a pod: %w", err)
	}
	return nil
}

// wait returns true at due, and false when ctx is done before.
func wait(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
