package load

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Sample is one request of a Timeline.
type Sample struct {
	Due time.Time
	// Took counts from Due.
	Took time.Duration
	// Err is why it failed; nil when it was answered 200.
	Err error
}

// Timeline sends perSecond requests a second until ctx is done, over so many
// connections, and returns a sample of each, the failed ones too: what went on while
// something else happened. As with ConstantRate latency counts from the instant
// at which a request was due. All that were due before ctx was done are sent.
func Timeline(ctx context.Context, dial func() (Client, error), connections int, bodies Bodies, next *atomic.Uint64, perSecond float64) ([]Sample, error) {
	t := timeline{interval: time.Duration(float64(time.Second) / perSecond), began: time.Now(), dial: dial, bodies: bodies, next: next}
	defer context.AfterFunc(ctx, func() { t.ended.Store(int64(time.Since(t.began))) })()
	all := make([][]Sample, connections)
	failures := make([]error, connections)
	var workers sync.WaitGroup
	for i := range connections {
		workers.Go(func() { all[i], failures[i] = t.work(ctx) })
	}
	workers.Wait()
	return slices.Concat(all...), errors.Join(failures...)
}

// timeline is what the connections share.
type timeline struct {
	interval time.Duration
	began    time.Time
	dial     func() (Client, error)
	bodies   Bodies
	next     *atomic.Uint64
	slots    atomic.Int64 // requests that a connection has taken
	ended    atomic.Int64 // when ctx was done, in nanoseconds after began; 0 before
}

// work sends requests over one connection until ctx is done. It dials again after a
// failure.
func (t *timeline) work(ctx context.Context) (samples []Sample, err error) {
	client, err := t.dial()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var buffer []byte
	for {
		after := time.Duration(t.slots.Add(1)-1) * t.interval
		due := t.began.Add(after)
		wait(ctx, due)
		if end := t.ended.Load(); end > 0 && int64(after) >= end || ctx.Err() != nil && time.Now().Before(due) {
			return samples, nil
		}
		buffer = t.bodies(buffer[:0], t.next.Add(1))
		failed := client.Do(buffer, io.Discard)
		samples = append(samples, Sample{Due: due, Took: time.Since(due), Err: failed})
		if failed == nil {
			continue
		}
		_ = client.Close() // broken already
		again, err := t.dial()
		if err != nil {
			client = closed{}
			return samples, err
		}
		client = again
	}
}

// wait returns at due, or when ctx is done.
func wait(ctx context.Context, due time.Time) {
	pause := time.Until(due)
	if pause <= 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// closed is no client.
type closed struct{ Client }

// Close implements Client.
func (closed) Close() error { return nil }

// Between is the latency, in nanoseconds, of the requests due from and before
// until, and how many of them failed.
func Between(samples []Sample, from, until time.Time) (latency *hdrhistogram.Histogram, failed int) {
	latency = newHistogram()
	for _, s := range samples {
		if s.Due.Before(from) || !s.Due.Before(until) {
			continue
		}
		record(latency, s.Took)
		if s.Err != nil {
			failed++
		}
	}
	return latency, failed
}
