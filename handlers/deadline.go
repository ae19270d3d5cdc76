package handlers

import (
	"context"
	"time"
)

// deadline is the context of a call: it ends when the caller has gone or its
// deadline has passed. The timer of context.WithDeadline is made only when a
// goroutine waits for the end: most decisions are cached, and no goroutine waits.
type deadline struct {
	context.Context //nolint:containedctx // it is one
	at              time.Time
	cancel          context.CancelFunc // nil until a goroutine waits
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements context.Context. The first call of it is for one goroutine.
func (d *deadline) Done() <-chan struct{} {
	if d.cancel == nil {
		d.Context, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.Context.Done()
}

// Err implements context.Context.
func (d *deadline) Err() error {
	if err := d.Context.Err(); err != nil {
		return err
	}
	if d.cancel == nil && !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// release ends the goroutines that wait for the end.
func (d *deadline) release() {
	if d.cancel != nil {
		d.cancel()
	}
}
