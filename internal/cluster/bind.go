package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// PendingPod implements scheduling.Cluster. Of a pod that is assumed the API
// server is asked: what an earlier call bound may not have been seen yet.
func (s *State) PendingPod(ctx context.Context, namespace, name, uid string) (text []byte, bound string, err error) {
	s.mutex.RLock()
	record, assumed := s.ledger.pods[uid], s.ledger.assumed[uid] != nil
	s.mutex.RUnlock()
	if record != nil && record.name() == (podName{namespace, name}) {
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
	bound = pod.Spec.NodeName
	text, err = podText(pod)
	return text, bound, err
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

// Bind implements scheduling.Cluster: it creates a v1 Binding, whose annotations
// the API server adds to the pod in the same step. It ends the request by the
// time that another replica may become the active one.
func (s *State) Bind(ctx context.Context, namespace, name, uid, node string, annotations map[string]string) error {
	if err := s.Active(); err != nil {
		return err
	}
	request, cancel := ctx, context.CancelFunc(func() {})
	if s.lease != nil {
		request, cancel = context.WithTimeout(ctx, s.lease.left())
	}
	defer cancel()
	err := s.clients.bind.Pods(namespace).Bind(request, &corev1.Binding{
		// The UID is a precondition: another pod of that name is not bound.
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid), Annotations: annotations},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if err == nil {
		return nil
	}
	err = fmt.Errorf("binding pod %s/%s to node %s: %w", namespace, name, node, err)
	if isDefinite(err) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		return err
	}
	// An earlier attempt may have done it, and so may this one.
	pod, lookUpErr := s.lookUp(context.WithoutCancel(ctx), namespace, name, uid)
	switch {
	case lookUpErr == nil && pod.Spec.NodeName == node:
		return nil
	case errors.Is(lookUpErr, scheduling.ErrNoPod):
		return err
	case lookUpErr == nil && (pod.Spec.NodeName != "" || isDefinite(err)):
		return err
	}
	return fmt.Errorf("%w: %w", scheduling.ErrBindUnknown, err)
}

// isDefinite tells whether the error says that the request changed nothing.
func isDefinite(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusRequestTimeout
	}
	return utilnet.IsConnectionRefused(err)
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

var errBindOff = errors.New("this verdict binds no pods: set scheduling.bind.enabled, or remove bindVerb from the extender")

var errTakingOver = errors.New("this replica has just become the one that binds: waiting to know what the one before it bound")

// Resign makes way for another replica: it is no longer active at once, waits
// until no node is locked or ctx is done, and gives the Lease back. Without an
// election it does nothing.
func (s *State) Resign(ctx context.Context) {
	if s.lease == nil {
		return
	}
	s.lease.resign(ctx, s.locks.idle)
}
