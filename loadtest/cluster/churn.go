package cluster

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

// Churn keeps pods coming and going.
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

// Churned is what came of it.
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
	// What was begun is finished: ctx ends the rhythm alone.
	all := context.WithoutCancel(ctx)
	interval := time.Duration(float64(time.Second) / c.PerSecond)
	began := time.Now()
	var next atomic.Int64
	failures := make([]error, churners)
	left := make([][]*corev1.Pod, churners)
	created := make([]int, churners)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for w := range churners {
		workers.Go(func() {
			delay := max(int(c.PerSecond)/churners, 1) // in pods of this worker
			for {
				i := int(next.Add(1) - 1)
				if !wait(running, began.Add(time.Duration(i)*interval)) {
					return
				}
				pod := generate.BoundPod(c.node(i), c.FirstPod+i, c.Seed)
				if _, err := c.Client.Pods(pod.Namespace).Create(all, pod, metav1.CreateOptions{}); err != nil {
					failures[w] = fmt.Errorf("creating a pod: %w", err)
					stop()
					return
				}
				created[w]++
				if left[w] = append(left[w], pod); len(left[w]) <= delay {
					continue
				}
				if failures[w] = c.remove(all, left[w][0]); failures[w] != nil {
					stop()
					return
				}
				left[w] = left[w][1:]
			}
		})
	}
	workers.Wait()
	out := Churned{Elapsed: time.Since(began)}
	for w, pods := range left {
		out.Pods += created[w]
		for _, pod := range pods {
			failures[w] = errors.Join(failures[w], c.remove(all, pod))
		}
	}
	return out, errors.Join(failures...)
}

// node is some node: neighbours in time are none in the list.
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
