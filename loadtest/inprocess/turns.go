package inprocess

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// Operation is something that is timed.
type Operation struct {
	// Name is of this operation alone.
	Name string
	// Pass makes Calls calls, numbered from n on.
	Pass  func(ctx context.Context, n uint64) error
	Calls int
}

// Turns says how long operations are timed.
type Turns struct {
	Rounds int
	// Duration is how long one operation is timed in one round; a pass that has
	// begun is finished.
	Duration time.Duration
}

// ShortTurns are shorter than over HTTP, where connections have to settle: they share
// out the time of three servers among so many operations.
func ShortTurns(b *bench.Bench, operations int) Turns {
	return Turns{Rounds: b.Rounds, Duration: b.Duration * 3 / time.Duration(max(operations, 3))}
}

// Take lets the operations take turns and returns, by name, the microseconds that a
// call of each took. Each round begins with the next operation. The garbage of one is
// collected before the next begins.
func (t Turns) Take(ctx context.Context, operations []Operation) (map[string]report.Figure, error) {
	rounds := map[string][]float64{}
	numbers := make([]uint64, len(operations))
	turn := func(i int, duration time.Duration) (float64, error) {
		c := operations[i]
		runtime.GC()
		calls := 0
		began := time.Now()
		for calls == 0 || time.Since(began) < duration {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if err := c.Pass(ctx, numbers[i]); err != nil {
				return 0, fmt.Errorf("%s: %w", c.Name, err)
			}
			numbers[i] += uint64(c.Calls)
			calls += c.Calls
		}
		return float64(time.Since(began).Microseconds()) / float64(calls), nil
	}
	for i := range operations { // warm
		if _, err := turn(i, 0); err != nil {
			return nil, err
		}
	}
	for round := range t.Rounds {
		for i := range operations {
			i := (round + i) % len(operations)
			took, err := turn(i, t.Duration)
			if err != nil {
				return nil, err
			}
			rounds[operations[i].Name] = append(rounds[operations[i].Name], took)
		}
	}
	figures := map[string]report.Figure{}
	for name, took := range rounds {
		figures[name] = report.NewFigure(took)
	}
	return figures, nil
}

// Heap is how many bytes of memory the reachable values take.
func Heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Section is that of the report in which operations in one process are compared.
const Section = "In one process"
