package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// stuck is an evaluation in a builtin function: it ends when open does, whatever
// time it has.
func stuck(open <-chan struct{}) func(context.Context) {
	return func(context.Context) { <-open }
}

// endlessly are ways to ask about a user, or a pod of a namespace of that name, of
// which nothing is kept.
func endlessly(t *testing.T) map[string]func(t *testing.T) (e *Engine, ask func(ctx context.Context, name string) error, place int) {
	t.Helper()
	const readsPod = `if { input.pod.metadata.namespace != ""; input.node.metadata.name != "" }`
	access := func(options Options, policy, rest string) func(t *testing.T) (*Engine, func(context.Context, string) error, int) {
		return func(t *testing.T) (*Engine, func(context.Context, string) error, int) {
			e := loaded(t, options, policy)
			return e, func(ctx context.Context, name string) error {
				of := documentOf(t, `{"spec":{"user":"`+name+`"`+rest+`}}`)
				defer of.Release()
				_, err := e.View().Authorize(ctx, of.Root())
				return err
			}, allowRule
		}
	}
	place := func(options Options, which SchedulingRule, rule, pod string) func(t *testing.T) (*Engine, func(context.Context, string) error, int) {
		return func(t *testing.T) (*Engine, func(context.Context, string) error, int) {
			e := loaded(t, options, sched+rule)
			n := namedNode(t, "a", `"labels":{}`).WithState(&nodes.State{})
			return e, func(ctx context.Context, name string) error {
				of := documentOf(t, `{"metadata":{"namespace":"`+name+`"`+pod+`}}`)
				defer of.Release()
				placer := e.View().DefaultProfile().newPlacer(which, of.Root(), nil, &nodes.Pod{Name: "v"})
				_, err := placer.Decide(ctx, n, placer.Class(n))
				return err
			}, int(which) + firstSchedulingRule
		}
	}
	long := `,"uid":"` + strings.Repeat("x", 12_000) + `"`
	const readsAll = authz + `allow contains "yes" if input.spec.user != input.spec.uid`
	const asksClock = authz + `allow contains "yes" if { input.spec.user != ""; time.now_ns() > 1 }`
	return map[string]func(t *testing.T) (*Engine, func(context.Context, string) error, int){
		"access, a key that is too long": access(Options{Cache: roomy}, readsAll, long),
		"access, asks the clock":         access(Options{Cache: roomy}, asksClock, ""),
		"access, no cache":               access(Options{}, readsAll, ""),
		"a token, no cache": func(t *testing.T) (*Engine, func(context.Context, string) error, int) {
			e := loaded(t, Options{}, `package kubernetes.authentication
user.username := input.identity.subject`)
			return e, func(ctx context.Context, name string) error {
				of := documentOf(t, `{"spec":{}}`)
				defer of.Release()
				_, err := e.View().Authenticate(ctx, of.Root(), identity.Identity{Source: "s", Subject: name})
				return err
			}, userRule
		},
		"unresolvable, no cache":                   place(Options{}, Unresolvable, `unresolvable contains "x" `+readsPod, ""),
		"reject, a key that is too long":           place(Options{Cache: roomy}, Reject, `reject contains input.pod.metadata.uid `+readsPod, long),
		"score, asks the clock":                    place(Options{Cache: roomy}, Score, `score["a"] := 1 if time.now_ns() > 1`, ""),
		"protect, no cache":                        place(Options{}, Protect, `protect contains "x" if input.victim.name == "v"`, ""),
		"deny of a binding, no cache":              place(Options{}, BindDeny, `deny contains "x" `+readsPod, ""),
		"annotate of a binding, asks for a chance": place(Options{Cache: roomy}, BindAnnotate, `annotate["a"] := "b" if rand.intn("a", 3) < 3`, ""),
	}
}

// TestWhatIsNotKeptIsBounded has evaluations get stuck in a builtin function, of
// which nothing would be kept: callers are answered in their time, and what goes on
// counts, to the one that it is charged to.
func TestWhatIsNotKeptIsBounded(t *testing.T) {
	for name, prepare := range endlessly(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, ask, place := prepare(t)
				e.options.MaxEvaluations = int(2*maxAbandonedEach()) + 1
				open := make(chan struct{})
				evaluations := count(e, place)
				evaluations.gate = stuck(open)
				e.View().rules[place].prompt = false
				giveUp := func(user string) error {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					began := time.Now()
					err := ask(ctx, user)
					if took := time.Since(began); took > time.Second {
						t.Errorf("an answer took %s, want no more than 1s", took)
					}
					return err
				}
				for i := range maxAbandonedEach() {
					if err := giveUp("mallory"); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) {
						t.Fatalf("call %d: got error %v, want ErrTimeout", i, err)
					}
				}
				if err := giveUp("mallory"); !errors.Is(err, ErrBusy) {
					t.Errorf("one more of the same: got error %v, want ErrBusy", err)
				}
				for i := range maxAbandonedEach() + 1 {
					if err := giveUp(fmt.Sprint("alice", i)); !errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) {
						t.Errorf("another one: got error %v, want ErrTimeout", err)
					}
				}
				if err := giveUp("bob"); !errors.Is(err, ErrBusy) {
					t.Errorf("more than may be: got error %v, want ErrBusy", err)
				}
				if underWay, abandoned := e.Evaluations(); underWay != int64(e.options.MaxEvaluations) || abandoned != underWay {
					t.Errorf("%d evaluations are under way and %d abandoned, want %d", underWay, abandoned, e.options.MaxEvaluations)
				}
				close(open)
				synctest.Wait()
				if underWay, abandoned := e.Evaluations(); underWay != 0 || abandoned != 0 || e.evaluations.bytes != 0 || len(e.evaluations.of) != 0 {
					t.Errorf("afterwards %d evaluations are under way, %d are abandoned, of %d bytes", underWay, abandoned, e.evaluations.bytes)
				}
				if err := giveUp("mallory"); err != nil {
					t.Errorf("with room again: %v", err)
				}
			})
		})
	}
}

// TestAbandonedEvaluationsKeepNoRequest reuses a request's memory while its
// evaluation goes on.
func TestAbandonedEvaluationsKeepNoRequest(t *testing.T) {
	for name, options := range map[string]Options{"kept": {Cache: roomy}, "not kept": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := loaded(t, options, authz+`allow contains input.spec.user if input.spec.group.name == "g"`)
				open, said := make(chan struct{}), make(chan string, 1)
				r := e.View().rules[allowRule]
				r.prompt = false
				inner := r.evaluator
				r.evaluator = evaluatorFunc(func(ctx context.Context, q evaluator.Query) (evaluator.Result, error) {
					<-open
					result, err := inner.Evaluate(context.WithoutCancel(ctx), q)
					if err == nil {
						said <- result.Value.String()
					}
					return result, err
				})
				text := []byte(`{"spec":{"user":"alice","group":{"name":"g"}}}`)
				parsed, err := document.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := e.View().Authorize(ctx, parsed.Root()); !errors.Is(err, ErrTimeout) {
					t.Fatalf("got error %v, want ErrTimeout", err)
				}
				parsed.Release()
				clear(text)
				of := documentOf(t, `{"spec":{"user":"mallory","group":{"name":"h"}}}`)
				defer of.Release()
				close(open)
				synctest.Wait()
				if got := <-said; got != `{"alice"}` {
					t.Errorf("it was decided of %s, want alice", got)
				}
			})
		})
	}
}

type evaluatorFunc func(context.Context, evaluator.Query) (evaluator.Result, error)

func (f evaluatorFunc) Evaluate(ctx context.Context, q evaluator.Query) (evaluator.Result, error) {
	return f(ctx, q)
}

// TestWhoWaitsForOneThatGivesUp has a caller with time join the evaluation of one
// whose evaluations may not go on: it decides then.
func TestWhoWaitsForOneThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := loaded(t, Options{Cache: roomy}, threeWays)
		open := make(chan struct{})
		evaluations := count(e, allowRule)
		evaluations.gate = until(open)
		review := func() document.Value { return object(t, `{"spec":{"user":"alice"}}`) }
		e.evaluations.of = map[onBehalf]int64{accessReview{review()}.charge().to: maxAbandonedEach()}
		e.evaluations.abandoned.Store(maxAbandonedEach())

		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := e.View().Authorize(brief, review())
			first <- err
		}()
		synctest.Wait()
		second := make(chan Decision, 1)
		go func() { second <- authorize(t, e, review()) }()
		if err := <-first; !errors.Is(err, ErrTimeout) {
			t.Errorf("the one that gave up got %v, want ErrTimeout", err)
		}
		close(open)
		if got := <-second; got.Outcome != Allow {
			t.Errorf("the one that waits got %s, want allow", got.Outcome)
		}
		evaluations.want(t, "after both", 2)
	})
}

// TestBuiltinFunctionsThatTakeLong asks about inputs for which OPA's builtin
// functions take seconds.
func TestBuiltinFunctionsThatTakeLong(t *testing.T) {
	if testing.Short() {
		t.Skip("what is abandoned goes on for seconds")
	}
	half := strings.Repeat("é", 60_000)
	for name, test := range map[string]struct{ rule, user string }{
		"indexof":               {`indexof(concat("", [input.spec.user, "x"]), concat("", [substring(input.spec.user, 0, 30000), "y"])) == -1`, half},
		"trim":                  {`trim(input.spec.user, concat("", [replace(input.spec.user, "é", "ü"), "é"])) == ""`, half},
		"graph.reachable_paths": {`count(graph.reachable_paths({sprintf("%d-%d", [i, j]): [sprintf("%d-0", [i + 1]), sprintf("%d-1", [i + 1])] | some i in numbers.range(0, 15); some j in [0, 1]}, {"0-0"})) > count(input.spec.user)`, "alice"},
	} {
		for kept, options := range map[string]Options{"kept": {Cache: roomy}, "not kept": {}, "interpreted": {InterpreterOnly: true}} {
			t.Run(name+", "+kept, func(t *testing.T) {
				e := loaded(t, options, authz+`allow contains "yes" if `+test.rule)
				review := object(t, `{"spec":{"user":"`+test.user+`"}}`)
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				began := time.Now()
				_, err := e.View().Authorize(ctx, review)
				took := time.Since(began)
				if err == nil {
					t.Fatalf("it was decided in %s: the test asks for too little (%d characters)", took, utf8.RuneCountInString(test.user))
				}
				if !errors.Is(err, ErrTimeout) {
					t.Errorf("got error %v, want ErrTimeout", err)
				}
				if took > time.Second {
					t.Errorf("the answer took %s, and there were 50 ms", took)
				}
			})
		}
	}
}

// TestExplainAndRecheckEnd asks for what gets stuck in a builtin function.
func TestExplainAndRecheckEnd(t *testing.T) {
	e := loaded(t, Options{}, authz+`allow contains "yes" if count(graph.reachable_paths({sprintf("%d-%d", [i, j]): [sprintf("%d-0", [i + 1]), sprintf("%d-1", [i + 1])] | some i in numbers.range(0, 15); some j in [0, 1]}, {"0-0"})) > count(input.spec.user)`)
	input := object(t, `{"spec":{"user":"alice"}}`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := e.View().Explain(ctx, AuthorizationPoint, input); !errors.Is(err, ErrTimeout) {
		t.Errorf("Explain: got error %v, want ErrTimeout", err)
	}
	s := sample{rule: e.View().rules[allowRule], query: evaluator.Query{Input: input.Decode(), Data: e.View().data}}
	_, left, err := s.recheck(t.Context(), 50*time.Millisecond)
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("a recheck: got error %v, want ErrTimeout", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("both took %s, and there were 50 ms for each", took)
	}
	select {
	case <-left:
		t.Error("the recheck has ended: the test asks for too little")
	default:
	}
}
