package cluster

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// PendingPod implements scheduling.Cluster. Where the watch may be behind, it asks the
// API server: about a pod that is assumed, which an earlier call may have bound, and
// about every pod while the watch is interrupted.
func (s *State) PendingPod(ctx context.Context, namespace, name, uid string) (text []byte, bound string, err error) {
	if err := s.awaitBinding(ctx, namespace, name, uid); err != nil {
		return nil, "", err
	}
	feed := s.current.Load()
	s.mutex.RLock()
	record, assumed := s.ledger.pods[uid], s.ledger.assumed[uid] != nil
	s.mutex.RUnlock()
	if record != nil && record.name() == (podName{namespace, name}) && feed != nil && feed.watching.Load() {
		if record.node != "" {
			return nil, record.node, nil
		}
		if record.pending != nil && !assumed {
			return record.pending, "", nil
		}
	}
	pod, err := s.lookUp(ctx, namespace, name, uid)
	if err != nil {
		return nil, "", err
	}
	if pod.Spec.NodeName == "" && hasEnded(pod) {
		return nil, "", fmt.Errorf("pod %s/%s: %w: its phase is %s", namespace, name, scheduling.ErrPodEnded, pod.Status.Phase)
	}
	bound = pod.Spec.NodeName
	text, err = podText(pod)
	return text, bound, err
}

// awaitBinding waits until no Binding of the pod is in flight.
func (s *State) awaitBinding(ctx context.Context, namespace, name, uid string) error {
	for {
		var sending chan struct{}
		var node string
		s.mutex.RLock()
		for _, assumed := range s.ledger.assumed[uid] {
			if assumed.sending != nil {
				sending, node = assumed.sending, assumed.node
			}
		}
		s.mutex.RUnlock()
		if sending == nil {
			return nil
		}
		select {
		case <-sending:
		case <-ctx.Done():
			return fmt.Errorf("pod %s/%s: waiting for the Binding to node %s that an earlier call created: %w", namespace, name, node, ctx.Err())
		}
	}
}

// lookUp asks the API server for the pod. An error that wraps
// scheduling.ErrNoPod says that there is none with that UID.
func (s *State) lookUp(ctx context.Context, namespace, name, uid string) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	pod, err := s.clients.bind.Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("pod %s/%s: %w", namespace, name, scheduling.ErrNoPod)
	case err != nil:
		return nil, fmt.Errorf("pod %s/%s: %w", namespace, name, err)
	case string(pod.UID) != uid:
		return nil, fmt.Errorf("pod %s/%s has UID %s, not %s: %w", namespace, name, pod.UID, uid, scheduling.ErrNoPod)
	}
	return pod, nil
}

// Active implements scheduling.Cluster.
func (s *State) Active() error {
	if !s.options.Bind {
		return errBindOff
	}
	if s.lease == nil {
		return nil
	}
	if err := s.lease.held(); err != nil {
		return err
	}
	if feed := s.current.Load(); feed == nil || !feed.term.Equal(s.lease.term()) {
		return errTakingOver
	}
	return nil
}

var errBindOff = errors.New("verdict does not bind pods here: set scheduling.bind.enabled, or remove bindVerb from the extender")

var errTakingOver = errors.New("this replica was just elected to bind pods: it is still listing the pods that the last one bound")

// Resign lets another replica become active: this one stops being active at once,
// waits until no node is locked and no Binding is in flight, or ctx is done, and
// releases the Lease. Without an election it does nothing.
func (s *State) Resign(ctx context.Context) {
	if s.lease == nil {
		return
	}
	s.lease.resign(ctx, func() bool { return s.locks.idle() && s.sending.Load() == 0 })
}
