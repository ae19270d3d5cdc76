package filewatch

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Subject is something made of files.
type Subject interface {
	// Look reads the files. It names each folder and path to t before reading
	// it, so that no change falls between the reading and the watching. It
	// reports whether it saw everything: if not, what was watched before stays
	// watched as well.
	Look(t *Targets) (complete bool)
	// Changed tells, cheaply, whether the files may differ from what the last
	// Look saw. It returns true when that Look did not see everything.
	Changed() bool
}

// DefaultPoll is the time between calls of Changed unless Options say otherwise.
const DefaultPoll = 2 * time.Second

// Options tune Run. The zero value is right for everything but tests.
type Options struct {
	// Settle is how long events must be silent before a look, so that a change
	// of several files is seen as one. Default 100 ms.
	Settle time.Duration
	// MaxSettle bounds the wait for silence. Default 400 ms.
	MaxSettle time.Duration
	// Poll is the time between calls of Changed while events work. Default
	// DefaultPoll.
	Poll time.Duration
	// FastPoll takes the place of Poll while something cannot be watched.
	// Default 500 ms.
	FastPoll time.Duration
	// NoEvents leaves the file system's events unused.
	NoEvents bool
	// Degraded, if set, is told why events are missing, once per cause. Changes
	// are still noticed, by polling.
	Degraded func(error)

	newWatcher func() (*fsnotify.Watcher, error)
}

func (o Options) withDefaults() Options {
	setDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	setDefault(&o.Settle, 100*time.Millisecond)
	setDefault(&o.MaxSettle, 400*time.Millisecond)
	setDefault(&o.Poll, DefaultPoll)
	setDefault(&o.FastPoll, 500*time.Millisecond)
	if o.Degraded == nil {
		o.Degraded = func(error) {}
	}
	if o.newWatcher == nil {
		o.newWatcher = fsnotify.NewWatcher
	}
	return o
}

// Run looks at the subject once, then again whenever it may have changed, until
// ctx is done. All calls to the subject and to o.Degraded are made from the
// calling goroutine; nothing is left running on return.
func Run(ctx context.Context, subject Subject, o Options) {
	o = o.withDefaults()
	t := newTargets(o)
	defer t.close()
	t.look(subject)

	for {
		interval := o.Poll
		if t.degraded {
			interval = o.FastPoll
		}
		poll := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			poll.Stop()
			return
		case <-t.pokes:
			poll.Stop()
			if !settle(ctx, t.pokes, o) {
				return
			}
			t.look(subject)
		case <-poll.C:
			if subject.Changed() {
				t.look(subject)
			}
		}
	}
}

// settle waits until pokes have been silent for o.Settle, for o.MaxSettle at
// most. It returns false when ctx ends first.
func settle(ctx context.Context, pokes <-chan struct{}, o Options) bool {
	limit := time.NewTimer(o.MaxSettle)
	defer limit.Stop()
	quiet := time.NewTimer(o.Settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-limit.C:
			return true
		case <-quiet.C:
			return true
		case <-pokes:
			quiet.Reset(o.Settle)
		}
	}
}
