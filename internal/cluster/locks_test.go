package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestNodeLocks(t *testing.T) {
	var locks nodeLocks
	unlock, err := locks.lock(t.Context(), "a")
	must(t, err)
	other, err := locks.lock(t.Context(), "b")
	must(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := locks.lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in vain returned %v", err)
	}
	other()
	unlock()
	if !locks.idle() {
		t.Error("locks that nobody uses are kept")
	}
}

func TestNodeLocksLetOneInAtATime(t *testing.T) {
	var (
		locks nodeLocks
		group sync.WaitGroup
		n     int // guarded by the lock alone
	)
	const callers, times = 8, 200
	for range callers {
		group.Go(func() {
			for range times {
				unlock, err := locks.lock(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				n++
				unlock()
			}
		})
	}
	group.Wait()
	if n != callers*times || !locks.idle() {
		t.Errorf("counted %d, want %d; idle: %v", n, callers*times, locks.idle())
	}
}
