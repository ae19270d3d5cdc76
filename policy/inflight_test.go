package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/evaluator"
)

// ways are those in which an evaluation is begun that somebody may wait for.
var ways = map[string]func(r *rule){
	"by its caller":             func(*rule) {},
	"in a goroutine of its own": func(r *rule) { r.prompt = false },
}

// until is a gate that opens with open. A caller without time left does not wait for it.
func until(open <-chan struct{}) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-open:
		case <-ctx.Done():
		}
	}
}

// TestEqualMissesAreEvaluatedOnce holds back the evaluation until all wait for it.
func TestEqualMissesAreEvaluatedOnce(t *testing.T) {
	const callers = 8
	for name, decide := range map[string]func(*testing.T, *Engine) func(context.Context) ([]string, error){
		"a review": func(t *testing.T, e *Engine) func(context.Context) ([]string, error) {
			review := object(t, `{"spec":{"user":"alice"}}`)
			return func(ctx context.Context) ([]string, error) {
				decision, err := e.View().Authorize(ctx, review)
				return decision.Reasons, err
			}
		},
		"a placement": func(t *testing.T, e *Engine) func(context.Context) ([]string, error) {
			pod, n := object(t, `{"full":"yes"}`), namedNode(t, "a", `"labels":{"full":"yes"}`)
			return func(ctx context.Context) ([]string, error) {
				placer := e.View().DefaultProfile().Placer(Reject, pod)
				placed, err := placer.Decide(ctx, n, placer.Class(n))
				return placed.Reasons(), err
			}
		},
	} {
		for way, begin := range ways {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := loaded(t, Options{Cache: roomy}, threeWays, sched+`reject contains "yes" if input.node.metadata.labels.full == input.pod.full`)
					place := allowRule
					if name == "a placement" {
						place = rejectRule
					}
					open := make(chan struct{})
					evaluations := count(e, place)
					evaluations.gate = until(open)
					begin(e.View().rules[place])
					ask := decide(t, e)

					impatient, hangUp := context.WithCancel(t.Context())
					first := make(chan error, 1)
					go func() {
						_, err := ask(impatient)
						first <- err
					}()
					synctest.Wait()
					var others sync.WaitGroup
					for range callers {
						others.Go(func() {
							reasons, err := ask(t.Context())
							if err != nil {
								t.Errorf("a caller that waits got %v", err)
							}
							equal(t, "reasons", reasons, []string{"yes"})
						})
					}
					synctest.Wait()
					evaluations.want(t, "while all wait", 1)
					hangUp()
					synctest.Wait()
					select {
					case err := <-first:
						if !errors.Is(err, ErrTimeout) {
							t.Errorf("the one that gave up got %v, want ErrTimeout", err)
						}
					default:
						t.Error("the one that gave up still waits")
					}
					times := int64(1)
					if way == "by its caller" {
						times++ // it began again, for the others
					}
					evaluations.want(t, "while the others wait", times)
					close(open)
					others.Wait()
					if _, err := ask(t.Context()); err != nil {
						t.Error(err)
					}
					if place == allowRule {
						evaluations.want(t, "afterwards", times)
					}
				})
			})
		}
	}
}

// TestManyAskAtOnce has callers begin, join and leave evaluations of many inputs
// at the same time: none may be left waiting.
func TestManyAskAtOnce(t *testing.T) {
	const callers, inputs = 8, 2000
	for way, begin := range ways {
		t.Run(way, func(t *testing.T) {
			e := loaded(t, Options{Cache: roomy}, threeWays)
			begin(e.View().rules[denyRule])
			begin(e.View().rules[allowRule])
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var all sync.WaitGroup
			for caller := range callers {
				all.Go(func() {
					for i := range inputs {
						var impatient context.CancelFunc = func() {}
						mine := ctx
						if (i+caller)%callers == 0 {
							mine, impatient = context.WithCancel(ctx)
							go impatient()
						}
						_, err := e.View().Authorize(mine, object(t, `{"spec":{"user":"`+fmt.Sprint(i)+`"}}`))
						if err != nil && mine == ctx {
							t.Errorf("a caller that waits got %v", err)
							return
						}
						impatient()
					}
				})
			}
			all.Wait()
		})
	}
}

// TestAnEvaluationWithoutAWaitingCallerIsKept: the next caller needs it.
func TestAnEvaluationWithoutAWaitingCallerIsKept(t *testing.T) {
	for way, begin := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := loaded(t, Options{Cache: roomy}, threeWays)
				open := make(chan struct{})
				evaluations := count(e, allowRule)
				evaluations.gate = until(open)
				begin(e.View().rules[allowRule])
				review := documentOf(t, `{"spec":{"user":"alice"}}`)
				brief, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				if _, err := e.View().Authorize(brief, review.Root()); !errors.Is(err, ErrTimeout) {
					t.Errorf("got error %v, want ErrTimeout", err)
				}
				if took := time.Since(began); took != time.Second {
					t.Errorf("the caller waited for %s, want 1s", took)
				}
				// The document belongs to the caller, which is done with it.
				review.Release()
				synctest.Wait()
				before := evaluations.times.Load()
				close(open)
				synctest.Wait()
				if got := authorize(t, e, object(t, `{"spec":{"user":"alice"}}`)); got.Outcome != Allow {
					t.Errorf("got %s, want allow", got.Outcome)
				}
				evaluations.want(t, "after both", before)
			})
		})
	}
}

func TestEvaluationsEnd(t *testing.T) {
	for name, test := range map[string]struct{ limit, want time.Duration }{
		"by default":    {0, defaultEvaluationTimeout},
		"as configured": {3 * time.Second, 3 * time.Second},
	} {
		for way, begin := range ways {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := loaded(t, Options{Cache: roomy, EvaluationTimeout: test.limit}, threeWays)
					evaluations := count(e, allowRule)
					evaluations.gate = until(nil)
					begin(e.View().rules[allowRule])
					review := object(t, `{"spec":{"user":"alice"}}`)
					for i := range int64(2) {
						began := time.Now()
						if _, err := e.View().Authorize(t.Context(), review); !errors.Is(err, ErrTimeout) {
							t.Errorf("got error %v, want ErrTimeout", err)
						}
						if took := time.Since(began); took != test.want {
							t.Errorf("ended after %s, want %s", took, test.want)
						}
						evaluations.want(t, "a timeout is not kept", i+1)
					}
				})
			})
		}
	}
}

// TestACallerWithoutTimeBeginsNothing: what has ended before it began costs nothing.
func TestACallerWithoutTimeBeginsNothing(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, threeWays)
	evaluations := count(e, allowRule)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.View().Authorize(ctx, object(t, `{"spec":{"user":"alice"}}`)); !errors.Is(err, ErrTimeout) {
		t.Errorf("got error %v, want ErrTimeout", err)
	}
	evaluations.want(t, "without time", 0)
}

// TestADecisionIsNotSharedPastItsEnd joins an evaluation that began before an
// instant of data.lib.time.active, after that instant.
func TestADecisionIsNotSharedPastItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := loaded(t, timed(Lifetimes{}), authz+`allow contains "x" if data.lib.time.active("", "2000-01-01T00:00:05Z")`)
		evaluations := count(e, allowRule)
		evaluations.gate = func(context.Context) { time.Sleep(10 * time.Second) }
		review := object(t, `{"spec":{"user":"a"}}`)
		early := make(chan Decision, 1)
		go func() { early <- authorize(t, e, review) }()
		time.Sleep(6 * time.Second)
		if late := authorize(t, e, review); late.Outcome != NoOpinion {
			t.Errorf("a caller after the end gets %s", late.Outcome)
		}
		if got := <-early; got.Outcome != Allow {
			t.Errorf("a caller before the end gets %s, want allow", got.Outcome)
		}
	})
}

// broken is an evaluator with a defect.
type broken struct{}

func (broken) Evaluate(context.Context, evaluator.Query) (evaluator.Result, error) { panic("a defect") }

// trap gives a value that panics when it is read.
type trap struct{ ast.Set }

func (t trap) Evaluate(context.Context, evaluator.Query) (evaluator.Result, error) {
	return evaluator.Result{Value: t}, nil
}

// TestAPanicIsAnError: decisions run in goroutines of their own, where a panic
// would end the service.
func TestAPanicIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		evaluator evaluator.Evaluator
		cache     CacheOptions
	}{
		"in a shared evaluation":     {broken{}, roomy},
		"in one that is not kept":    {broken{}, CacheOptions{}},
		"while a shared one is read": {trap{}, roomy},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{Cache: test.cache}, threeWays)
			e.View().rules[allowRule].evaluator = test.evaluator
			_, err := e.View().Authorize(t.Context(), object(t, `{"spec":{"user":"alice"}}`))
			if _, ok := errors.AsType[*EvaluationError](err); !ok {
				t.Errorf("got error %v, want an *EvaluationError", err)
			}
		})
	}
}

// TestAbandonedEvaluationsAreBounded lets callers give up on slow decisions,
// which go on: no more of them than may be are under way at once.
func TestAbandonedEvaluationsAreBounded(t *testing.T) {
	for way, begin := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const most = 3
				e := loaded(t, Options{Cache: roomy, MaxEvaluations: most}, threeWays)
				open := make(chan struct{})
				evaluations := count(e, allowRule)
				evaluations.gate = until(open)
				begin(e.View().rules[allowRule])
				ask := func(user string) error {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err := e.View().Authorize(ctx, object(t, `{"spec":{"user":"`+user+`"}}`))
					return err
				}
				for i := range most {
					if err := ask(fmt.Sprint("slow-", i)); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) {
						t.Fatalf("caller %d got error %v, want ErrTimeout", i, err)
					}
				}
				if err := ask("one-too-many"); !errors.Is(err, ErrBusy) || !errors.Is(err, ErrTimeout) {
					t.Errorf("got error %v, want ErrBusy, which is an ErrTimeout", err)
				}
				close(open)
				synctest.Wait()
				if err := ask("one-too-many"); err != nil {
					t.Errorf("with room again: %v", err)
				}
			})
		})
	}
}

// panicking is a question with a defect that evaluate does not see.
type panicking struct{ begin <-chan struct{} }

func (panicking) detach() {}

func (panicking) charge() charge { return charge{} }

func (q panicking) decide(context.Context, time.Time) (decision, error) {
	<-q.begin
	panic("a defect")
}

// TestAPanicReachesTheCallersThatWait: no caller waits for it in vain, and the
// next one may try.
func TestAPanicReachesTheCallersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := loaded(t, Options{Cache: roomy}, threeWays).View()
		begin := make(chan struct{})
		ask := func() error {
			_, err := v.decider.decide(t.Context(), time.Now(), decisionKey{input: "x"}, true, panicking{begin})
			return err
		}
		caught := make(chan any, 1)
		go func() {
			defer func() { caught <- recover() }()
			_ = ask()
		}()
		synctest.Wait()
		waited := make(chan error, 1)
		go func() { waited <- ask() }()
		synctest.Wait()
		close(begin)
		if cause := <-caught; cause != "a defect" {
			t.Errorf("the caller that decides gets the panic %v", cause)
		}
		if err := <-waited; !errors.Is(err, errPanicked) {
			t.Errorf("the caller that waits got error %v", err)
		}
		if n := v.decider.evaluations.underWay.Load(); n != 0 || len(v.decider.inFlight.calls) != 0 {
			t.Errorf("%d evaluations are under way", n)
		}
	})
}
