package policy_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// history is what an engine was given, in order. A state is begun before the
// engine is told of it, and reached when the engine has taken it.
type history struct {
	mu      sync.Mutex
	states  []state
	reached int
}

func (h *history) begin(s state) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, s)
}

func (h *history) reach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reached = len(h.states) - 1
}

func (h *history) now() (reached, begun int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reached, len(h.states)
}

func (h *history) between(from, to int) []state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.states[from:to])
}

// TestPropertyWhileChanging decides from several goroutines while content is
// reloaded and data change: each decision is the reference's for one state
// that was current at some time while it was made.
func TestPropertyWhileChanging(t *testing.T) {
	const deciders, each, worlds = 4, 500, 4
	for _, p := range points {
		for i := range uint64(worlds) {
			t.Run(fmt.Sprintf("%s/%d", p.name, *seed+i), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, p, *seed+i, newCounts())
				e := newEngine()
				var past history
				past.begin(state{})
				w.start(t, e, state{})

				var decided atomic.Int64
				var running sync.WaitGroup
				for n := range uint64(deciders) {
					running.Go(func() {
						decideWhileChanging(t, w, e, &past, rand.New(rand.NewPCG(w.seed, 10+n)), each, &decided)
					})
				}
				done := make(chan struct{})
				go func() {
					running.Wait()
					close(done)
				}()
				defer running.Wait()
				changeUntil(t, w, e, &past, done, &decided)
			})
		}
	}
}

func decideWhileChanging(t *testing.T, w *world, e *engine, past *history, random *rand.Rand, times int, decided *atomic.Int64) {
	t.Helper()
	for range times {
		if t.Failed() {
			return
		}
		question := w.point.questions[random.IntN(len(w.point.questions))]
		req := w.requests[random.IntN(len(w.requests))]
		from, _ := past.now()
		got := e.ask(t, question, req)
		_, to := past.now()
		decided.Add(1)
		states := past.between(from, to)
		if !slices.ContainsFunc(states, func(s state) bool {
			want, _ := w.reference(t, s).decide(question, req)
			return got == want
		}) {
			t.Errorf("%s gives %s, which is right in none of %v\ninput %s %s\n%s",
				question, got, states, req.parts[0], req.parts[1], w.describe(states[0]))
			return
		}
	}
}

// changeUntil makes a change for every few decisions, until done.
func changeUntil(t *testing.T, w *world, e *engine, past *history, done <-chan struct{}, decided *atomic.Int64) {
	t.Helper()
	random := rand.New(rand.NewPCG(w.seed, 3))
	var s state
	for changes := int64(1); ; {
		select {
		case <-done:
			return
		default:
		}
		if decided.Load() < changes*20 {
			// The others need the processor more.
			runtime.Gosched()
			continue
		}
		next, apply := w.change(random, s)
		past.begin(next)
		apply(t, e)
		past.reach()
		s = next
		changes++
	}
}
