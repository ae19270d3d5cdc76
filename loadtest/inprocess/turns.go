package inprocess

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/verdict-dev/verdict/loadtest/report"
)

// contestant is one of those that take turns.
type contestant struct {
	name string
	// pass makes calls calls, numbered from n on.
	pass  func(ctx context.Context, n uint64) error
	calls int
}

// Turns says how long contestants are measured.
type Turns struct {
	Rounds int
	// Duration is how long one is measured in one round; a pass that was begun
	// is finished.
	Duration time.Duration
}

// take lets the contestants take turns, the one to begin moving on with each
// round, and returns the microseconds that a call of each took. Garbage of one
// is collected before the next begins.
func (t Turns) take(ctx context.Context, contestants []contestant) (map[string]report.Figure, error) {
	rounds := map[string][]float64{}
	numbers := make([]uint64, len(contestants))
	turn := func(i int, duration time.Duration) (float64, error) {
		c := contestants[i]
		runtime.GC()
		calls := 0
		began := time.Now()
		for calls == 0 || time.Since(began) < duration {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if err := c.pass(ctx, numbers[i]); err != nil {
				return 0, fmt.Errorf("%s: %w", c.name, err)
			}
			numbers[i] += uint64(c.calls)
			calls += c.calls
		}
		return float64(time.Since(began).Microseconds()) / float64(calls), nil
	}
	for i := range contestants { // warm
		if _, err := turn(i, 0); err != nil {
			return nil, err
		}
	}
	for round := range t.Rounds {
		for i := range contestants {
			i := (round + i) % len(contestants)
			took, err := turn(i, t.Duration)
			if err != nil {
				return nil, err
			}
			rounds[contestants[i].name] = append(rounds[contestants[i].name], took)
		}
	}
	figures := map[string]report.Figure{}
	for name, took := range rounds {
		figures[name] = report.NewFigure(took)
	}
	return figures, nil
}

// heap is how much memory what is reachable takes, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
