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

// assumedFor is how long a pod is assumed before the API server is asked about
// it, and how long a Binding whose answer was lost may take to arrive.
const assumedFor = 30 * time.Second

var errNoUID = errors.New("the pod has no metadata.uid")

// LockNode implements scheduling.Cluster.
func (s *State) LockNode(ctx context.Context, node string) (unlock func(), err error) {
	return s.locks.lock(ctx, node)
}

// Assume implements scheduling.Cluster.
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
	made, err := s.ledger.assume(state, node, annotations, s.options.Now().Add(assumedFor))
	if err != nil {
		return nil, err
	}
	s.changed()
	return sync.OnceFunc(func() { s.refused(made) }), nil
}

// AssumedPods counts pods that were sent to a node and not seen there yet.
func (s *State) AssumedPods() scheduling.AssumedStats {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	stats := s.ledger.ended
	stats.Assumed = len(s.ledger.assumed)
	return stats
}

// refused ends an assumption whose Binding certainly did not take place, when no
// earlier Binding of the pod can take place any more either.
func (s *State) refused(made *assumption) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.refusedLocked(made)
}

func (s *State) refusedLocked(made *assumption) {
	if now := s.options.Now(); made.lost.After(now) {
		made.tried = true
		made.ask, made.until = now.Add(askAgainAfter), made.lost
		return
	}
	s.forgetLocked(made, &s.ledger.ended.Forgotten)
}

func (s *State) forget(made *assumption, ended *uint64) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.forgetLocked(made, ended)
}

func (s *State) forgetLocked(made *assumption, ended *uint64) bool {
	if !s.ledger.forget(made, ended) {
		return false
	}
	s.changed()
	return true
}
