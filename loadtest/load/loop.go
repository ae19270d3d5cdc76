package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bodies appends the body of request number n to buffer and returns it. It is
// called by several goroutines.
type Bodies func(buffer []byte, n uint64) []byte

// Result is what one run measured.
type Result struct {
	Requests int64         // answered
	Elapsed  time.Duration // from the first request to the last answer
	// Latency is in nanoseconds.
	Latency *hdrhistogram.Histogram
	// Unsent are requests of a constant rate that were still waiting for a
	// connection when the run was ended. Latency holds how long they had waited.
	Unsent int64
}

// PerSecond is how many requests were answered in a second.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Requests) / r.Elapsed.Seconds()
}

// Three digits over a microsecond to two minutes.
const (
	lowest, highest = int64(time.Microsecond), int64(2 * time.Minute)
	digits          = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

// record never loses a sample: what is off the scale counts at its end.
func record(h *hdrhistogram.Histogram, took time.Duration) {
	_ = h.RecordValue(min(max(int64(took), lowest), highest)) // in range, hence never an error
}

// Closed posts from every client without a pause for duration: each sends its
// next request when the last was answered. next numbers the requests. The first
// error ends the run.
func Closed(ctx context.Context, clients []Client, bodies Bodies, next *atomic.Uint64, duration time.Duration) (Result, error) {
	began := time.Now()
	end := began.Add(duration)
	return run(ctx, clients, began, func(ctx context.Context, client Client, r *Result) error {
		var buffer []byte
		for ctx.Err() == nil {
			buffer = bodies(buffer[:0], next.Add(1))
			sent := time.Now()
			if !sent.Before(end) {
				return nil
			}
			if err := client.Do(buffer, io.Discard); err != nil {
				return err
			}
			record(r.Latency, time.Since(sent))
			r.Requests++
		}
		return ctx.Err()
	})
}

// Burst posts count requests without a pause: each client sends its next request
// when the last was answered. The first error ends the run.
func Burst(ctx context.Context, clients []Client, bodies Bodies, next *atomic.Uint64, count int) (Result, error) {
	var left atomic.Int64
	left.Store(int64(count))
	return run(ctx, clients, time.Now(), func(ctx context.Context, client Client, r *Result) error {
		var buffer []byte
		for ctx.Err() == nil && left.Add(-1) >= 0 {
			buffer = bodies(buffer[:0], next.Add(1))
			sent := time.Now()
			if err := client.Do(buffer, io.Discard); err != nil {
				return err
			}
			record(r.Latency, time.Since(sent))
			r.Requests++
		}
		return ctx.Err()
	})
}

// ConstantRate sends perSecond requests a second for duration, whether earlier
// ones were answered or not, as far as there are clients to send them. Latency
// counts from the instant at which a request was due, so that a server that
// stalls is charged for every request that had to wait and not for one alone
// (coordinated omission). A server too slow for the rate is given as long again
// to catch up; what is then unsent is counted as such.
func ConstantRate(ctx context.Context, clients []Client, bodies Bodies, next *atomic.Uint64, perSecond float64, duration time.Duration) (Result, error) {
	if perSecond <= 0 {
		return Result{}, fmt.Errorf("a rate of %v requests a second is none", perSecond)
	}
	interval := time.Duration(float64(time.Second) / perSecond)
	total := max(int64(duration/interval), 1)
	began := time.Now()
	cutoff := began.Add(2 * duration)
	var slots atomic.Int64
	return run(ctx, clients, began, func(ctx context.Context, client Client, r *Result) error {
		var buffer []byte
		timer := time.NewTimer(0)
		defer timer.Stop()
		for ctx.Err() == nil {
			slot := slots.Add(1) - 1
			if slot >= total {
				return nil
			}
			due := began.Add(time.Duration(slot) * interval)
			buffer = bodies(buffer[:0], next.Add(1))
			if wait := time.Until(due); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if now := time.Now(); now.After(cutoff) {
				record(r.Latency, now.Sub(due))
				r.Unsent++
				continue
			}
			if err := client.Do(buffer, io.Discard); err != nil {
				return err
			}
			record(r.Latency, time.Since(due))
			r.Requests++
		}
		return ctx.Err()
	})
}

// run lets every client work at once and adds up what they measured.
func run(ctx context.Context, clients []Client, began time.Time, work func(context.Context, Client, *Result) error) (Result, error) {
	if len(clients) == 0 {
		return Result{}, errors.New("no clients")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]Result, len(clients))
	failures := make([]error, len(clients))
	var workers sync.WaitGroup
	for i, client := range clients {
		results[i].Latency = newHistogram()
		workers.Go(func() {
			if failures[i] = work(ctx, client, &results[i]); failures[i] != nil {
				cancel()
			}
		})
	}
	workers.Wait()
	all := Result{Elapsed: time.Since(began), Latency: newHistogram()}
	for i, r := range results {
		if err := failures[i]; err != nil && !errors.Is(err, context.Canceled) {
			return Result{}, err
		}
		all.Requests += r.Requests
		all.Unsent += r.Unsent
		all.Latency.Merge(r.Latency)
	}
	if err := errors.Join(failures...); err != nil {
		return Result{}, err
	}
	return all, nil
}
