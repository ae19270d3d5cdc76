package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// remote is a Source that does as it is told.
type remote struct {
	verify func(context.Context) error
	probe  func(context.Context) error
	calls  atomic.Int32
	probes atomic.Int32
}

func (s *remote) Name() string                { return "remote" }
func (s *remote) Applies(*sources.Token) bool { return true }
func (s *remote) Remote() bool                { return true }
func (s *remote) Ready() error                { return nil }
func (s *remote) Generation() uint64          { return 7 }
func (s *remote) Verify(ctx context.Context, _ *sources.Token) (identity.Identity, error) {
	s.calls.Add(1)
	return identity.Identity{Subject: "alice"}, s.verify(ctx)
}

func (s *remote) Probe(ctx context.Context) error {
	s.probes.Add(1)
	return s.probe(ctx)
}

// breaking is a Breaker that runs in a bubble of synthetic time.
type breaking struct {
	*Breaker
	registry *prometheus.Registry
	mu       sync.Mutex
	events   []string
}

func runBreaker(t *testing.T, source *remote) *breaking {
	t.Helper()
	b := &breaking{registry: prometheus.NewRegistry()}
	note := func(event string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, event)
	}
	b.Breaker = newBreaker(source, sources.NewMetrics(b.registry), BreakerOptions{
		OnOpen:  func(err error) { note("open: " + err.Error()) },
		OnClose: func() { note("closed") },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	synctest.Wait()
	return b
}

func (b *breaking) ask(t *testing.T) error {
	t.Helper()
	_, err := b.Verify(t.Context(), sources.ParseToken("token"))
	return err
}

// isOpen is what the metric says.
func (b *breaking) isOpen(t *testing.T) bool {
	t.Helper()
	families, err := b.registry.Gather()
	identitytest.Must(t, err)
	for _, family := range families {
		if family.GetName() == "verdict_identity_circuit_open" {
			return family.GetMetric()[0].GetGauge().GetValue() == 1
		}
	}
	t.Fatal("the metric is missing")
	return false
}

func TestBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		state := func(context.Context) error {
			if away.Load() {
				return identitytest.ErrAway
			}
			return nil
		}
		source := &remote{verify: state, probe: state}
		b := runBreaker(t, source)
		if b.Name() != "remote" || !b.Remote() || b.Ready() != nil || b.Generation() != 7 || !b.Applies(sources.ParseToken("token")) {
			t.Error("it does not pass for its source")
		}
		identitytest.Must(t, b.ask(t))

		away.Store(true)
		for i := range 5 {
			if b.isOpen(t) {
				t.Fatalf("open after %d faults", i)
			}
			if err := b.ask(t); !errors.Is(err, identitytest.ErrAway) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if !b.isOpen(t) {
			t.Fatal("not open after 5 faults")
		}
		began := time.Now()
		if err := b.ask(t); !errors.Is(err, identitytest.ErrAway) || errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("got %v, want the cause", err)
		}
		if source.calls.Load() != 6 || time.Since(began) != 0 {
			t.Error("an open circuit asked the source")
		}

		// 1+2+4+8+16+30+30 seconds at most, and three quarters of that at least.
		time.Sleep(91 * time.Second)
		synctest.Wait()
		if got := source.probes.Load(); got < 7 || got > 9 {
			t.Errorf("%d probes in 91 seconds", got)
		}
		away.Store(false)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if b.isOpen(t) {
			t.Fatal("still open")
		}
		identitytest.Must(t, b.ask(t))
		if got := fmt.Sprint(b.events); got != "[open: 5 faults in a row, the last of them: the host is away closed]" {
			t.Errorf("told %s", got)
		}
		// Nothing is asked while it is closed.
		probes := source.probes.Load()
		time.Sleep(time.Hour)
		if source.probes.Load() != probes {
			t.Error("probes of a closed circuit")
		}
	})
}

func TestBreakerProbesLessOftenAfterAShortRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &remote{verify: func(context.Context) error { return identitytest.ErrAway }, probe: func(context.Context) error { return nil }}
		b := runBreaker(t, source)
		for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
			_ = b.ask(t)
		}
		// One every second would be 600.
		if got := source.probes.Load(); got < 15 || got > 35 {
			t.Errorf("%d probes in 10 minutes of a host that only passes probes", got)
		}
	})
}

func TestBreakerStaysClosed(t *testing.T) {
	for name, verify := range map[string]func(context.Context) error{
		"refusals":                  func(context.Context) error { return fmt.Errorf("%w: expired", identity.ErrUnknownToken) },
		"what the token brought on": func(context.Context) error { return fmt.Errorf("a: %w", Provoked(identitytest.ErrAway)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := runBreaker(t, &remote{verify: verify})
				for range 1000 {
					if err := b.ask(t); errors.Is(err, sources.ErrBusy) || err == nil {
						t.Fatal(err)
					}
				}
				if b.isOpen(t) {
					t.Error("it is open")
				}
			})
		})
	}
	t.Run("faults with answers between them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			b := runBreaker(t, &remote{verify: func(context.Context) error {
				if calls++; calls%5 == 0 {
					return identity.ErrUnknownToken
				}
				return identitytest.ErrAway
			}})
			for range 100 {
				_ = b.ask(t)
			}
			if b.isOpen(t) {
				t.Error("it is open")
			}
		})
	})
	t.Run("callers that give up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := runBreaker(t, &remote{verify: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
			for range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, cancel)
				_, _ = b.Verify(ctx, sources.ParseToken("token"))
				ctx, cancel = context.WithTimeout(t.Context(), longEnough-1)
				_, _ = b.Verify(ctx, sources.ParseToken("token"))
				cancel()
			}
			if b.isOpen(t) {
				t.Error("it is open")
			}
		})
	})
	t.Run("nobody would close it", func(t *testing.T) {
		b := newBreaker(&remote{verify: func(context.Context) error { return identitytest.ErrAway }}, sources.NewMetrics(nil), BreakerOptions{})
		for range 100 {
			if _, err := b.Verify(t.Context(), sources.ParseToken("token")); err != identitytest.ErrAway { //nolint:errorlint // not wrapped
				t.Fatal(err)
			}
		}
	})
}

func TestBreakerCountsTimeouts(t *testing.T) {
	for name, limits := range map[string]struct{ source, caller time.Duration }{
		"of the source's own":         {2 * time.Second, time.Minute},
		"short ones of the source":    {time.Millisecond, time.Minute},
		"of a caller that had waited": {time.Minute, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := runBreaker(t, &remote{
					verify: func(ctx context.Context) error {
						ctx, cancel := context.WithTimeout(ctx, limits.source)
						defer cancel()
						<-ctx.Done()
						return ctx.Err()
					},
					probe: func(context.Context) error { return identitytest.ErrAway },
				})
				for range 5 {
					ctx, cancel := context.WithTimeout(t.Context(), limits.caller)
					_, _ = b.Verify(ctx, sources.ParseToken("token"))
					cancel()
				}
				if !b.isOpen(t) {
					t.Error("it is not open")
				}
			})
		})
	}
}

func TestBreakerBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		source := &remote{verify: func(context.Context) error { <-release; return nil }}
		b := runBreaker(t, source)
		var asking sync.WaitGroup
		for range defaultMaxInFlight {
			asking.Go(func() {
				if err := b.ask(t); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 100 {
			if err := b.ask(t); !errors.Is(err, sources.ErrBusy) {
				t.Fatalf("got %v, want %v", err, sources.ErrBusy)
			}
		}
		close(release)
		asking.Wait()
		identitytest.Must(t, b.ask(t))
		if b.isOpen(t) || source.calls.Load() != defaultMaxInFlight+1 {
			t.Errorf("%d calls", source.calls.Load())
		}
	})
}

// TestBreakerIsLeftClosed ends Run while a probe hangs.
func TestBreakerIsLeftClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &remote{
			verify: func(context.Context) error { return identitytest.ErrAway },
			probe:  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		}
		b := newBreaker(source, sources.NewMetrics(nil), BreakerOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		synctest.Wait()
		for range 10 {
			_, _ = b.Verify(ctx, sources.ParseToken("token"))
		}
		time.Sleep(5 * time.Second)
		cancel()
		running.Wait()
		if source.calls.Load() != 5 || source.probes.Load() != 1 {
			t.Fatalf("%d calls, %d probes", source.calls.Load(), source.probes.Load())
		}
		for range 10 {
			_, _ = b.Verify(t.Context(), sources.ParseToken("token"))
		}
		if source.calls.Load() != 15 {
			t.Error("a breaker that nobody runs keeps the source from being asked")
		}
	})
}

func TestBreakerConcurrently(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	var away atomic.Bool
	state := func(context.Context) error {
		if away.Load() {
			return identitytest.ErrAway
		}
		return nil
	}
	b := newBreaker(&remote{verify: state, probe: state}, sources.NewMetrics(nil), BreakerOptions{Faults: 2})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	for range 8 {
		running.Go(func() {
			for range 2000 {
				_, _ = b.Verify(ctx, sources.ParseToken("token"))
				away.Store(!away.Load())
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	running.Wait()
	if b.inFlight.Load() != 0 {
		t.Errorf("%d are in flight", b.inFlight.Load())
	}
}
