package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

const (
	// assumedFor is how long a pod is assumed before the API server is asked
	// about it.
	assumedFor = 30 * time.Second
	// askAgainAfter is when it is asked once more when it could not tell.
	askAgainAfter = 5 * time.Second
	// lookUpTimeout bounds one such question.
	lookUpTimeout = 2 * time.Second
	// betweenSweeps is how often it is seen who is due.
	betweenSweeps = time.Second
)

var errNoUID = errors.New("the pod has no metadata.uid")

// LockNode implements scheduling.Cluster.
func (s *State) LockNode(ctx context.Context, node string) (unlock func(), err error) {
	return s.locks.lock(ctx, node)
}

// Assume implements scheduling.Cluster. A pod is assumed once only: while it is
// not known what became of the first attempt to bind it there is no second.
func (s *State) Assume(text []byte, node string, annotations map[string]string) (forget func(), err error) {
	var pod corev1.Pod
	if err := json.Unmarshal(text, &pod); err != nil {
		return nil, fmt.Errorf("a pod to assume: %w", err)
	}
	if pod.UID == "" {
		return nil, errNoUID
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	maps.Copy(pod.Annotations, annotations)
	// Policies that are loaded while it is assumed may read more.
	state := podState(&pod, everything, s.annotations)

	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.ledger.assume(state, node, s.options.Now().Add(assumedFor)); err != nil {
		return nil, err
	}
	made := s.ledger.assumed[state.UID]
	s.changed()
	return sync.OnceFunc(func() { s.forget(state.UID, made, &s.ledger.ended.Forgotten) }), nil
}

// AssumedPods counts pods that were sent to a node and not seen there yet.
func (s *State) AssumedPods() scheduling.AssumedStats {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	stats := s.ledger.ended
	stats.Assumed = len(s.ledger.assumed)
	return stats
}

// forget ends this assumption, and no later one of the same pod.
func (s *State) forget(uid string, made *assumption, ended *uint64) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.ledger.assumed[uid] != made {
		return false
	}
	s.ledger.forget(uid, ended)
	s.changed()
	return true
}

// expire ends assumptions that nothing came of, until ctx is done.
func (s *State) expire(ctx context.Context) {
	ticker := time.NewTicker(betweenSweeps)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.sweep(ctx)
		}
	}
}

// sweep asks about the assumed pods that are due. The watch may lag behind, as
// after a restart of the API server: a pod that was bound keeps its room however
// long that takes.
func (s *State) sweep(ctx context.Context) {
	now := s.options.Now()
	due := map[string]*assumption{}
	s.mutex.RLock()
	for uid, assumed := range s.ledger.assumed {
		if !assumed.expires.After(now) {
			due[uid] = assumed
		}
	}
	s.mutex.RUnlock()
	for uid, assumed := range due {
		pod := assumed.state
		found, err := s.lookUp(ctx, pod.Namespace, pod.Name, uid)
		switch {
		case err != nil && !errors.Is(err, scheduling.ErrNoPod):
			s.postpone(uid, assumed, askAgainAfter)
		case err == nil && found.Spec.NodeName == assumed.node:
			s.postpone(uid, assumed, assumedFor)
		case s.forget(uid, assumed, &s.ledger.ended.Expired):
			s.options.OnError(fmt.Errorf("pod %s/%s was assumed on node %s for %s and is not bound to it", pod.Namespace, pod.Name, assumed.node, assumedFor))
		}
	}
}

func (s *State) postpone(uid string, made *assumption, by time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.ledger.assumed[uid] == made {
		made.expires = s.options.Now().Add(by)
	}
}
