package cluster

import (
	"context"
	"sync"
)

// nodeLocks are locks by name that exist while a goroutine holds or awaits them.
type nodeLocks struct {
	mutex sync.Mutex
	held  map[string]*nodeLock // guarded by mutex, like users
}

type nodeLock struct {
	turn  chan struct{} // holds one token while the lock is held
	users int
}

// lock waits for the lock of that name until ctx is done. unlock must be called
// once when there is no error.
func (l *nodeLocks) lock(ctx context.Context, name string) (unlock func(), err error) {
	l.mutex.Lock()
	if l.held == nil {
		l.held = map[string]*nodeLock{}
	}
	lock := l.held[name]
	if lock == nil {
		lock = &nodeLock{turn: make(chan struct{}, 1)}
		l.held[name] = lock
	}
	lock.users++
	l.mutex.Unlock()

	leave := func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		if lock.users--; lock.users == 0 {
			delete(l.held, name)
		}
	}
	select {
	case lock.turn <- struct{}{}:
		return func() { <-lock.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// idle reports whether no goroutine holds or awaits a lock.
func (l *nodeLocks) idle() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.held) == 0
}
