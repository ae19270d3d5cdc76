package policy

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/evaluator"
)

const recheckPolicy = `package kubernetes.authorization

allow contains sprintf("%s reads", [input.spec.user]) if input.spec.resourceAttributes.verb == "get"

deny contains "mallory" if input.spec.user == "mallory"
`

// mistaken is a compiled rule that says something else than the policy.
type mistaken struct{ value ast.Value }

func (m mistaken) Evaluate(context.Context, evaluator.Query) (evaluator.Result, error) {
	return evaluator.Result{Value: m.value}, nil
}

// rechecked is what Recheck reported.
type rechecked struct {
	mu            sync.Mutex
	rules         []string
	disagreements []Disagreement
}

func (r *rechecked) checked(rule string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = append(r.rules, rule)
}

func (r *rechecked) disagreed(d *Disagreement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disagreements = append(r.disagreements, *d)
}

// recheckedEngine decides by recheckPolicy, and anew each time.
func recheckedEngine(t *testing.T) *Engine {
	t.Helper()
	e := NewEngine(Options{}, &observed{})
	if err := e.Load(t.Context(), Content{Modules: []Module{{Path: "p.rego", Source: []byte(recheckPolicy)}}}); err != nil {
		t.Fatal(err)
	}
	return e
}

const aliceReads = `{"spec": {"user": "alice", "resourceAttributes": {"verb": "get"}}}`

func TestRecheck(t *testing.T) {
	const deny, allow = "kubernetes.authorization.deny", "kubernetes.authorization.allow"
	for _, c := range []struct {
		name          string
		allow         evaluator.Evaluator // nil: as compiled
		interpreted   string
		checked       []string
		disagreements []Disagreement
	}{
		{name: "agreement", checked: []string{deny, allow}},
		{
			name: "another value", allow: mistaken{ast.NewSet(ast.StringTerm("a secret of alice"), ast.StringTerm("another"))},
			checked:       []string{deny, allow},
			disagreements: []Disagreement{{Rule: allow, Compiled: "a set of 2", Interpreted: "a set of 1"}},
		},
		{
			name: "nothing", allow: mistaken{},
			checked:       []string{deny, allow},
			disagreements: []Disagreement{{Rule: allow, Compiled: "undefined", Interpreted: "a set of 1"}},
		},
		{name: "a rule that is not compiled", allow: mistaken{}, interpreted: "it asks the clock", checked: []string{deny}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				view := recheckedEngine(t).View()
				if c.allow != nil {
					view.rules[allowRule].evaluator, view.rules[allowRule].interpreted = c.allow, c.interpreted
				}
				got := ask(t, view, 2*time.Second, denyRule, allowRule)
				if !slices.Equal(got.rules, c.checked) {
					t.Errorf("checked %v, want %v", got.rules, c.checked)
				}
				for i := range c.disagreements {
					c.disagreements[i].Revision = view.ID()
				}
				if !slices.Equal(got.disagreements, c.disagreements) {
					t.Errorf("got the disagreements %v, want %v", got.disagreements, c.disagreements)
				}
			})
		})
	}
}

func TestRecheckLooksAtOneDecisionInEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := ask(t, recheckedEngine(t).View(), time.Second/10, slices.Repeat([]int{denyRule}, 50)...)
		if len(got.rules) != 5 {
			t.Errorf("checked %d of 50 decisions in 5 s, want 5", len(got.rules))
		}
	})
}

// ask asks one rule after the other, every once in a while, beside Recheck.
func ask(t *testing.T, view *View, every time.Duration, places ...int) *rechecked {
	t.Helper()
	got := &rechecked{}
	ctx, cancel := context.WithCancel(t.Context())
	go view.decider.recheck(ctx, time.Second, got.checked, got.disagreed)
	for _, place := range places {
		synctest.Wait()
		if _, _, err := view.reasons(ctx, place, accessReview{object(t, aliceReads)}); err != nil {
			t.Error(err)
		}
		time.Sleep(every)
	}
	cancel()
	synctest.Wait()
	return got
}

// A decision is made whether anybody rechecks or not.
func TestNobodyRechecks(t *testing.T) {
	got, err := recheckedEngine(t).View().Authorize(t.Context(), object(t, aliceReads))
	if err != nil || got.Outcome != Allow {
		t.Errorf("got %+v and error %v", got, err)
	}
}

// What is offered to who does not wait any more would be held for good.
func TestNothingIsKeptForWhoRechecksNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		view := recheckedEngine(t).View()
		got := ask(t, view, time.Second, denyRule)
		if len(got.rules) != 1 {
			t.Fatalf("checked %v", got.rules)
		}
		for range 2 {
			if _, _, err := view.reasons(t.Context(), denyRule, accessReview{object(t, aliceReads)}); err != nil {
				t.Error(err)
			}
		}
		if n := len(view.decider.samples.offered); n != 0 {
			t.Errorf("%d samples are kept", n)
		}
	})
}
