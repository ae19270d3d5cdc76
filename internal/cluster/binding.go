package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

const (
	// bindTimeout bounds the requests of one call to bind a pod, also when the call
	// itself has ended.
	bindTimeout = 10 * time.Second
	// bindAttempts is how often a Binding is created while its answers are lost.
	bindAttempts = 3
	// betweenBindings is the wait before the second attempt; before the third it is
	// twice as long.
	betweenBindings = 50 * time.Millisecond
)

// Bind implements scheduling.Cluster: it creates a v1 Binding, whose annotations
// the API server adds to the pod in the same request. It ends the request before
// another replica can become active. A Binding in flight when ctx is done continues:
// a retry of the call waits for its result.
func (s *State) Bind(ctx context.Context, namespace, name, uid, node string, annotations map[string]string) error {
	// Before the check whether this replica is active: see Resign.
	s.sending.Add(1)
	if err := s.Active(); err != nil {
		s.sending.Add(-1)
		return err
	}
	made := s.beginBinding(uid, node)
	if made != nil && made.annotations != nil {
		annotations = made.annotations
	}
	limit := bindTimeout
	if s.lease != nil {
		limit = min(limit, s.lease.left())
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	ended := make(chan error, 1)
	go func() {
		defer s.sending.Add(-1)
		defer cancel()
		err := s.bind(detached, &corev1.Binding{
			// The UID is a precondition: another pod of that name is not bound.
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid), Annotations: annotations},
			Target:     corev1.ObjectReference{Kind: "Node", Name: node},
		})
		if err != nil {
			err = fmt.Errorf("binding pod %s/%s to node %s: %w", namespace, name, node, err)
		}
		s.endBinding(made, err)
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("binding pod %s/%s to node %s: %w: the call ended before the API server answered; Verdict still waits for the answer to the Binding", namespace, name, node, scheduling.ErrBindUnknown)
	}
}

// beginBinding records that a Binding of the assumed pod is in flight.
func (s *State) beginBinding(uid, node string) *assumption {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	made := s.ledger.assumedOn(uid, node)
	if made != nil {
		made.tried, made.sending = true, make(chan struct{})
	}
	return made
}

// endBinding records the result of the Binding.
func (s *State) endBinding(made *assumption, err error) {
	if made == nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	close(made.sending)
	made.sending = nil
	now := s.options.Now()
	made.until = now.Add(assumedFor)
	ask := made.until
	unknown := errors.Is(err, scheduling.ErrBindUnknown)
	if unknown {
		made.lost, ask = made.until, now.Add(askAgainAfter)
	}
	if !made.ask.IsZero() { // else there is a reason to ask at once
		made.ask = ask
	}
	switch {
	case err == nil:
		s.boundTo(made)
	case !unknown:
		s.refusedLocked(made)
	}
}

// boundTo ends the assumptions of the pod on other nodes: it is on this one.
// mutex is held.
func (s *State) boundTo(made *assumption) {
	for _, other := range s.ledger.assumed[made.state.UID] {
		if other != made {
			s.ledger.forget(other, &s.ledger.ended.Forgotten)
		}
	}
	s.changed()
}

// bind creates the Binding, and creates it again when its answer was lost and the
// pod is still pending: the API server binds a pod once. The error wraps
// scheduling.ErrBindUnknown when the Binding may still take place.
func (s *State) bind(ctx context.Context, binding *corev1.Binding) error {
	lost := false
	for attempt := 1; ; attempt++ {
		err := s.clients.bind.Pods(binding.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
		if err == nil {
			return nil
		}
		definite := isDefinite(err)
		if definite && !lost && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
		lost = lost || !definite
		// An earlier attempt may have done it, and so may this one.
		pod, lookUpErr := s.lookUp(context.WithoutCancel(ctx), binding.Namespace, binding.Name, string(binding.UID))
		switch {
		case lookUpErr == nil && pod.Spec.NodeName == binding.Target.Name:
			return nil
		case errors.Is(lookUpErr, scheduling.ErrNoPod):
			return err
		case lookUpErr == nil && (pod.Spec.NodeName != "" || !lost):
			return err
		case definite || attempt == bindAttempts || !sleep(ctx, betweenBindings<<(attempt-1)):
			return fmt.Errorf("%w: %w", scheduling.ErrBindUnknown, err)
		}
	}
}

// sleep waits, and is false when ctx is done.
func sleep(ctx context.Context, by time.Duration) bool {
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// isDefinite reports whether the error means that the request changed nothing.
func isDefinite(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusRequestTimeout
	}
	return utilnet.IsConnectionRefused(err)
}
