package controlplane

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

// fillers create objects at a time: more than the API server has cores for.
const fillers = 32

// Fill creates the namespaces, where they are missing, these nodes, and pods
// number firstPod and following, in turn on the nodes.
func Fill(ctx context.Context, client corev1client.CoreV1Interface, nodes []corev1.Node, firstPod, pods int, seed uint64) error {
	for _, name := range generate.Namespaces() {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating a namespace: %w", err)
		}
	}
	err := inParallel(ctx, len(nodes), func(ctx context.Context, i int) error {
		_, err := client.Nodes().Create(ctx, generate.Creatable(&nodes[i]), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("creating nodes: %w", err)
	}
	err = inParallel(ctx, pods, func(ctx context.Context, i int) error {
		pod := generate.BoundPod(nodes[i%len(nodes)].Name, firstPod+i, seed)
		_, err := client.Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("creating pods: %w", err)
	}
	return nil
}

// inParallel calls do with 0 to count-1. The first error ends it.
func inParallel(ctx context.Context, count int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(fillers, count) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= count {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
