package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// LeaseOptions name the coordination.k8s.io/v1 Lease that elects the replica that
// binds.
type LeaseOptions struct {
	Namespace, Name string
	// Identity is the unique name of this replica. Default: the host's name and random
	// characters.
	Identity string
}

// The settings of client-go's election, which are those of Kubernetes' own components.
// Another replica takes over leaseDuration after it last saw a renewal; the holder
// stops renewDeadline after it last sent one. This is five seconds earlier, even when
// the clocks differ.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	// releaseGrace is how long run waits for the Lease to be released.
	releaseGrace = 2 * time.Second
)

func newIdentity(host string) string { return host + "_" + rand.Text() }

// lease knows whether this replica certainly holds the Lease.
type lease struct {
	options  LeaseOptions
	now      func() time.Time
	onHolder func(string)
	acquired func() // called after term changed
	elector  leaderelection.LeaderElectionConfig
	resigned chan struct{} // closed by resign
	released chan struct{} // closed when run ends
	once     sync.Once

	mutex     sync.Mutex
	renewedAt time.Time // when the last successful renewal was sent; zero when not held
	since     time.Time // when the Lease was acquired
	leaving   bool      // resign was called
	holder    string
}

func newLease(client coordinationv1client.LeasesGetter, options LeaseOptions, now func() time.Time, onHolder func(string), acquired func()) (*lease, error) {
	l := &lease{
		options: options, now: now, onHolder: onHolder, acquired: acquired,
		resigned: make(chan struct{}), released: make(chan struct{}),
	}
	l.elector = leaderelection.LeaderElectionConfig{
		Name: options.Name,
		Lock: &leaseLock{of: l, LeaseLock: resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: options.Namespace, Name: options.Name},
			Client:     client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: options.Identity},
		}},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {}, // leaseLock knows earlier
			OnStoppedLeading: l.lost,
			OnNewLeader:      l.heldBy,
		},
	}
	if _, err := leaderelection.NewLeaderElector(l.elector); err != nil {
		return nil, fmt.Errorf("the election by Lease %s/%s: %w", options.Namespace, options.Name, err)
	}
	return l, nil
}

// run takes part in the election until ctx is done or resign is called, and then
// releases the Lease.
func (l *lease) run(ctx context.Context) {
	// Its context ends once it may release the Lease.
	electing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		defer close(l.released)
		for electing.Err() == nil {
			elector, err := leaderelection.NewLeaderElector(l.elector)
			if err != nil {
				return // newLease made one with the same options
			}
			elector.Run(electing)
		}
	}()
	select {
	case <-ctx.Done():
		l.leave()
	case <-l.resigned:
	}
	cancel()
	// It cannot be released while the API server is down.
	select {
	case <-l.released:
	case <-time.After(releaseGrace):
	}
}

// resign ends the election as soon as idle, or when ctx is done.
func (l *lease) resign(ctx context.Context, idle func() bool) {
	l.leave()
	const look = 20 * time.Millisecond
	for !idle() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
	l.once.Do(func() { close(l.resigned) })
	select {
	case <-l.released:
	case <-ctx.Done():
	}
}

func (l *lease) leave() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.leaving = true
}

var errLeaving = errors.New("this replica is shutting down and does not bind pods any more")

// held returns nil while the Lease is certainly held; otherwise the error names the
// holder.
func (l *lease) held() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	switch {
	case l.leaving:
		return errLeaving
	case l.leftLocked() > 0:
		return nil
	case l.holder == "" || l.holder == l.options.Identity:
		return fmt.Errorf("no replica binds pods now: Lease %s/%s is not held", l.options.Namespace, l.options.Name)
	}
	return fmt.Errorf("another replica binds pods: Lease %s/%s is held by %s", l.options.Namespace, l.options.Name, l.holder)
}

// left is how long the Lease is certainly held without another renewal.
func (l *lease) left() time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.leftLocked()
}

func (l *lease) leftLocked() time.Duration {
	if l.renewedAt.IsZero() {
		return 0
	}
	return max(renewDeadline-l.now().Sub(l.renewedAt), 0)
}

// term is when the Lease was acquired, zero when it is not held.
func (l *lease) term() time.Time {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.since
}

// renewed records that the Lease was acquired or renewed by a request of that time.
func (l *lease) renewed(at time.Time) {
	l.mutex.Lock()
	// After a gap another replica may have held it in between.
	began := l.leftLocked() == 0
	l.renewedAt = at
	if began {
		l.since = at
	}
	l.mutex.Unlock()
	if began {
		l.acquired()
	}
}

func (l *lease) lost() {
	l.mutex.Lock()
	l.renewedAt = time.Time{}
	l.mutex.Unlock()
}

func (l *lease) heldBy(identity string) {
	l.mutex.Lock()
	l.holder = identity
	l.mutex.Unlock()
	l.onHolder(identity)
}

// leaseLock records when renewals were sent: an answer can be late, so the time of the
// answer would be too late to count from.
type leaseLock struct {
	resourcelock.LeaseLock
	of *lease
}

// Create implements resourcelock.Interface.
func (k *leaseLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	at := k.of.now()
	err := k.LeaseLock.Create(ctx, record)
	if err == nil {
		k.of.renewed(at)
	}
	return err
}

// Update implements resourcelock.Interface.
func (k *leaseLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity != k.Identity() {
		return k.release(ctx, record)
	}
	at := k.of.now()
	err := k.LeaseLock.Update(ctx, record)
	if err == nil {
		k.of.renewed(at)
	}
	return err
}

// release releases the Lease where this replica decided to stop: it has no request in
// flight then. A Lease that could not be renewed is left to expire, since the API
// server may still be working on a request.
func (k *leaseLock) release(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	k.of.mutex.Lock()
	leaving := k.of.leaving
	k.of.mutex.Unlock()
	k.of.lost()
	if !leaving {
		return errNotReleased
	}
	return k.LeaseLock.Update(ctx, record)
}

var errNotReleased = errors.New("the Lease was lost, so it is not released: it expires")
