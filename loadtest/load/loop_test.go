package load_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/loadtest/load"
)

// fake answers request number n after took(n).
type fake struct {
	asked *atomic.Int64
	took  func(n int64) time.Duration
	err   error
}

func (f fake) Do([]byte, io.Writer) error {
	time.Sleep(f.took(f.asked.Add(1)))
	return f.err
}

func (f fake) Close() error { return nil }

func fakes(count int, took func(int64) time.Duration, err error) []load.Client {
	asked := new(atomic.Int64)
	clients := make([]load.Client, count)
	for i := range clients {
		clients[i] = fake{asked, took, err}
	}
	return clients
}

func always(d time.Duration) func(int64) time.Duration {
	return func(int64) time.Duration { return d }
}

func noBody(buffer []byte, _ uint64) []byte { return buffer }

func TestClosedSendsWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := load.Closed(t.Context(), fakes(4, always(10*time.Millisecond), nil), noBody, new(atomic.Uint64), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got.Requests != 400 || got.Elapsed != time.Second || got.PerSecond() != 400 {
			t.Errorf("%d requests in %v, %v/s; want 400 in 1s", got.Requests, got.Elapsed, got.PerSecond())
		}
	})
}

func TestBurstSendsSoMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(atomic.Uint64)
		got, err := load.Burst(t.Context(), fakes(4, always(10*time.Millisecond), nil), noBody, next, 40)
		if err != nil {
			t.Fatal(err)
		}
		if got.Requests != 40 || next.Load() != 40 || got.Elapsed != 100*time.Millisecond {
			t.Errorf("%d requests, numbered up to %d, in %v; want 40 in 100ms", got.Requests, next.Load(), got.Elapsed)
		}
	})
}

func TestConstantRateKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := load.ConstantRate(t.Context(), fakes(4, always(10*time.Millisecond), nil), noBody, new(atomic.Uint64), 100, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		// The last of the 100 is due at 990 ms and takes 10.
		if got.Requests != 100 || got.Elapsed != time.Second || got.Unsent != 0 {
			t.Errorf("%d requests in %v, %d unsent; want 100 in 1s, none", got.Requests, got.Elapsed, got.Unsent)
		}
		if p99 := time.Duration(got.Latency.ValueAtQuantile(99)); p99 > 11*time.Millisecond {
			t.Errorf("p99 is %v, want what an answer takes, 10ms", p99)
		}
	})
}

// One stall of half a second delays the fifty requests that were due in it: a
// loop that counts from the sending would see a single slow answer.
func TestConstantRateChargesWaitingToTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := func(n int64) time.Duration {
			if n == 10 {
				return 500 * time.Millisecond
			}
			return 0
		}
		got, err := load.ConstantRate(t.Context(), fakes(1, stall, nil), noBody, new(atomic.Uint64), 100, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got.Requests != 100 {
			t.Errorf("%d requests, want 100", got.Requests)
		}
		median := time.Duration(got.Latency.ValueAtQuantile(50))
		p75 := time.Duration(got.Latency.ValueAtQuantile(75))
		if median > 20*time.Millisecond || p75 < 200*time.Millisecond || p75 > 300*time.Millisecond {
			t.Errorf("median %v and p75 %v; want about none and about 250ms, half-way through the stall", median, p75)
		}
	})
}

func TestConstantRateCountsWhatItCouldNotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := load.ConstantRate(t.Context(), fakes(1, always(100*time.Millisecond), nil), noBody, new(atomic.Uint64), 100, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		// Ten a second for the two seconds until it is ended, at which one more begins.
		if got.Requests != 21 || got.Unsent != 79 {
			t.Errorf("%d answered and %d unsent, want 21 and 79", got.Requests, got.Unsent)
		}
		if got.Latency.TotalCount() != 100 {
			t.Errorf("%d latencies, want one for each of 100", got.Latency.TotalCount())
		}
	})
}

func TestErrorsEndARun(t *testing.T) {
	broken := errors.New("broken")
	loops := map[string]func(context.Context, []load.Client) (load.Result, error){
		"closed": func(ctx context.Context, c []load.Client) (load.Result, error) {
			return load.Closed(ctx, c, noBody, new(atomic.Uint64), time.Hour)
		},
		"burst": func(ctx context.Context, c []load.Client) (load.Result, error) {
			return load.Burst(ctx, c, noBody, new(atomic.Uint64), 1_000_000)
		},
		"constant rate": func(ctx context.Context, c []load.Client) (load.Result, error) {
			return load.ConstantRate(ctx, c, noBody, new(atomic.Uint64), 1, time.Hour)
		},
	}
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if _, err := loop(t.Context(), fakes(2, always(0), broken)); !errors.Is(err, broken) {
					t.Errorf("error %v, want %v", err, broken)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := loop(ctx, fakes(2, always(time.Second), nil)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
				}
				if _, err := loop(t.Context(), nil); err == nil {
					t.Error("no error without clients")
				}
			})
		})
	}
}
