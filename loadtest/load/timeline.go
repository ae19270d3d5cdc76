package load

import (
	"context"
	"errors"
	"io"
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
// connections, and tells of each, the failed ones too: what went on while
// something else happened. As with ConstantRate latency counts from the instant
// at which a request was due. All that were due before ctx was done are sent.
func Timeline(ctx context.Context, dial func() (Client, error), connections int, bodies Bodies, next *atomic.Uint64, perSecond float64) ([]Sample, error) {
	interval := time.Duration(float64(time.Second) / perSecond)
	began := time.Now()
	var slots, ended atomic.Int64 // ended is when ctx was done, in nanoseconds after began
	defer context.AfterFunc(ctx, func() { ended.Store(int64(time.Since(began))) })()
	all := make([][]Sample, connections)
	failures := make([]error, connections)
	var workers sync.WaitGroup
	for i := range connections {
		workers.Go(func() {
			client, err := dial()
			if err != nil {
				failures[i] = err
				return
			}
			defer func() { failures[i] = errors.Join(failures[i], client.Close()) }()
			var buffer []byte
			for {
				after := time.Duration(slots.Add(1)-1) * interval
				due := began.Add(after)
				wait(ctx, due)
				if end := ended.Load(); end > 0 && int64(after) >= end || ctx.Err() != nil && time.Now().Before(due) {
					return
				}
				buffer = bodies(buffer[:0], next.Add(1))
				err := client.Do(buffer, io.Discard)
				all[i] = append(all[i], Sample{Due: due, Took: time.Since(due), Err: err})
				if err == nil {
					continue
				}
				_ = client.Close() // broken already
				if client, err = dial(); err != nil {
					failures[i] = err
					client = closed{}
					return
				}
			}
		})
	}
	workers.Wait()
	var samples []Sample
	for _, some := range all {
		samples = append(samples, some...)
	}
	return samples, errors.Join(failures...)
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
