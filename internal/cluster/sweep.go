package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

const (
	// askAgainAfter is the wait before the API server is asked about an assumed pod
	// again, after a request that failed.
	askAgainAfter = 5 * time.Second
	// lookUpTimeout bounds one such request.
	lookUpTimeout = 2 * time.Second
	// betweenSweeps is the time between two checks for pods that are due.
	betweenSweeps = time.Second
	// questions is how many pods are asked about at once.
	questions = 8
)

// expire ends assumptions that did not come true, until ctx is done.
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
// long that takes, unless it has ended meanwhile.
func (s *State) sweep(ctx context.Context) {
	now := s.options.Now()
	var due []*assumption
	s.mutex.RLock()
	for _, of := range s.ledger.assumed {
		for _, assumed := range of {
			if assumed.sending == nil && !assumed.ask.After(now) {
				due = append(due, assumed)
			}
		}
	}
	s.mutex.RUnlock()
	var asking sync.WaitGroup
	places := make(chan struct{}, questions)
	for _, assumed := range due {
		places <- struct{}{}
		asking.Go(func() {
			defer func() { <-places }()
			s.resolve(ctx, assumed)
		})
	}
	asking.Wait()
}

// resolve asks the API server about an assumed pod. It uses the same rule as the
// watch: a pod takes room on its node until it has ended.
func (s *State) resolve(ctx context.Context, made *assumption) {
	pod := made.state
	found, err := s.lookUp(ctx, pod.Namespace, pod.Name, pod.UID)
	now := s.options.Now()
	switch {
	case err != nil && !errors.Is(err, scheduling.ErrNoPod):
		s.postpone(made, now.Add(askAgainAfter))
	case err == nil && found.Spec.NodeName == made.node && hasEnded(found):
		s.forget(made, &s.ledger.ended.Confirmed)
	case err == nil && found.Spec.NodeName == made.node:
		s.postpone(made, now.Add(assumedFor))
	case err == nil && found.Spec.NodeName == "" && !hasEnded(found) && s.mayArrive(made, now):
	case s.forget(made, &s.ledger.ended.Expired):
		s.options.OnError(fmt.Errorf("pod %s/%s was assumed on node %s, but it is not bound to this node", pod.Namespace, pod.Name, made.node))
	}
}

// mayArrive reports whether a Binding of a pending pod may still take place, and
// schedules the next request about the pod for when it no longer may.
func (s *State) mayArrive(made *assumption, now time.Time) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if made.sending == nil && !made.until.After(now) {
		return false
	}
	made.ask = made.until
	return true
}

func (s *State) postpone(made *assumption, until time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	made.ask = until
}
