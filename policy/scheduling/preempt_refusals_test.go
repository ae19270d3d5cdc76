package scheduling

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// refusing has all rules that preempt asks.
const refusing = `package kubernetes.scheduling

unresolvable contains "another tenant's" if input.node.tenant != input.pod.tenant

reject contains "no CPU" if input.state.free.cpu < 500

reject contains "odd" if to_number(input.node.size) > 100

protect contains "a database" if input.victim.labels.app == "db"
`

// onNode is a candidate: a node of 1,000 milli-CPUs with pods of 400 each that
// are all there, of which the first so many are victims.
func onNode(tb testing.TB, members string, victims int, pods ...string) Candidate {
	tb.Helper()
	state := &nodes.State{
		Allocatable: map[string]int64{"cpu": 1000, "pods": 10},
		Requested:   map[string]int64{"cpu": 0, "pods": 0},
	}
	for i, name := range pods {
		state.Pods = append(state.Pods, &nodes.Pod{
			Namespace: "a", Name: name, UID: fmt.Sprint("uid-", name, i), Labels: map[string]string{"app": name}, Requests: map[string]int64{"cpu": 400},
		})
		state.Requested["cpu"] += 400
		state.Requested["pods"]++
	}
	return Candidate{Node: node(tb, "n", members).WithState(state), Victims: state.Pods[:victims]}
}

func TestPreemptAgreesWithFilter(t *testing.T) {
	const mine, theirs = `,"tenant":"t1","size":"1"`, `,"tenant":"t2","size":"1"`
	tests := []struct {
		name      string
		candidate Candidate
		want      Preempted
	}{
		{"an eviction that helps", onNode(t, mine, 1, "web", "cache"), Preempted{}},
		{"one that does not free enough", onNode(t, mine, 1, "web", "cache", "more"), Preempted{Reject: []string{"no CPU"}}},
		{"two that do", onNode(t, mine, 2, "web", "cache", "more"), Preempted{}},
		{"a node that fits without", onNode(t, mine, 0, "web"), Preempted{}},
		{"a node that does not fit, and no victims", onNode(t, mine, 0, "web", "cache"), Preempted{Reject: []string{"no CPU"}}},
		{"a node of another tenant", onNode(t, theirs, 2, "web", "cache"), Preempted{Unresolvable: []string{"another tenant's"}}},
		{"a protected victim", onNode(t, mine, 2, "web", "db"), Preempted{Protect: []string{"a database"}}},
		{"a protected pod that stays", onNode(t, mine, 1, "web", "db"), Preempted{}},
		{"a rule that fails", onNode(t, `,"tenant":"t1","size":"big"`, 1, "web"), Preempted{Err: &policy.EvaluationError{}}},
		{"an unknown node", Candidate{Victims: victims("web")}, Preempted{Err: ErrUnknownNode}},
		{"an unknown victim", Candidate{Node: onNode(t, mine, 0, "web").Node, Victims: []*nodes.Pod{nil}}, Preempted{Err: ErrUnknownVictim}},
		{"a node without a state", Candidate{Node: node(t, "n", mine), Victims: victims("web")}, Preempted{}},
		{"a victim that is not in the state", Candidate{Node: onNode(t, mine, 0, "web", "cache").Node, Victims: victims("other")}, Preempted{Reject: []string{"no CPU"}}},
	}
	candidates := make([]Candidate, len(tests))
	for i := range tests {
		candidates[i] = tests[i].candidate
	}
	for name, cache := range map[string]policy.CacheOptions{"nothing kept": {}, "kept": roomy} {
		profile := view(t, refusing, cache).DefaultProfile()
		for turn := range 2 {
			decided, work, err := Preempt(t.Context(), profile, object(t, pod), candidates)
			if err != nil {
				t.Fatal(err)
			}
			for i, test := range tests {
				got := decided[i]
				if !slices.Equal(got.Unresolvable, test.want.Unresolvable) || !slices.Equal(got.Reject, test.want.Reject) ||
					!slices.Equal(got.Protect, test.want.Protect) || !likeError(got.Err, test.want.Err) {
					t.Errorf("%s, %s: %+v, want %+v", name, test.name, got, test.want)
				}
			}
			if turn == 1 && cache == roomy && work.Evaluations != 1 {
				t.Errorf("%d evaluations of what was decided, want that of the error alone", work.Evaluations)
			}
		}
	}
}

// TestPreemptOfFilterRulesAlone: what is dropped does not hang on a protect rule.
func TestPreemptOfFilterRulesAlone(t *testing.T) {
	for name, test := range map[string]struct {
		rules     string
		candidate Candidate
		want      Preempted
	}{
		"unresolvable by the node":             {`unresolvable contains "x" if input.node.tenant`, Candidate{Node: node(t, "n", `,"tenant":"a"`), Victims: victims("web")}, Preempted{Unresolvable: []string{"x"}}},
		"unresolvable by the pod alone":        {`unresolvable contains "x" if input.pod.tenant == "t1"`, Candidate{Victims: victims("web")}, Preempted{Unresolvable: []string{"x"}}},
		"unresolvable sees the pods there now": {`unresolvable contains "x" if count(input.state.pods) > 1`, onNode(t, "", 2, "a", "b"), Preempted{Unresolvable: []string{"x"}}},
		"reject by the node":                   {`reject contains "x" if input.node.full`, Candidate{Node: node(t, "n", `,"full":true`), Victims: victims("web")}, Preempted{Reject: []string{"x"}}},
		"reject needs no unknown victim":       {`reject contains "x" if input.node.full`, Candidate{Node: node(t, "n", ""), Victims: []*nodes.Pod{nil}}, Preempted{}},
		"reject sees no pods that go":          {`reject contains p.name if some p in input.state.pods`, onNode(t, "", 2, "a", "b", "c"), Preempted{Reject: []string{"c"}}},
		"reject sees their number":             {`reject contains "x" if input.state.requested.pods > 1`, onNode(t, "", 2, "a", "b", "c"), Preempted{}},
		"reject sees no victim":                {`reject contains "x" if { some name in ["victim", "victims", "stateWithout"]; input[name] }`, onNode(t, "", 1, "a"), Preempted{}},
		"an unknown node":                      {`reject contains "x" if input.node.full`, Candidate{Victims: victims("web")}, Preempted{Err: ErrUnknownNode}},
		"chance":                               {`reject contains "x" if rand.intn("x", 10) >= 0`, Candidate{}, Preempted{Reject: []string{"x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			profile := view(t, "package kubernetes.scheduling\n\n"+test.rules, roomy).DefaultProfile()
			for range 2 {
				decided, _, err := Preempt(t.Context(), profile, object(t, pod), []Candidate{test.candidate})
				if err != nil {
					t.Fatal(err)
				}
				got := decided[0]
				if !slices.Equal(got.Unresolvable, test.want.Unresolvable) || !slices.Equal(got.Reject, test.want.Reject) || !errors.Is(got.Err, test.want.Err) {
					t.Errorf("%+v, want %+v", got, test.want)
				}
			}
		})
	}
}

func TestProtectSeesTheWholeEviction(t *testing.T) {
	for name, test := range map[string]struct {
		rules     string
		candidate Candidate
		want      []string
	}{
		"all victims":                     {`protect contains sprintf("%d pods", [count(input.victims)]) if count(input.victims) > 1`, onNode(t, "", 2, "a", "b", "c"), []string{"2 pods"}},
		"all beside the one":              {`protect contains concat(" ", [input.victim.name, input.victims[1].name]) if input.victim.name == "b"`, onNode(t, "", 2, "a", "b"), []string{"b b"}},
		"the state as it is and would be": {`protect contains sprintf("%d and %d", [input.state.free.cpu, input.stateWithout.free.cpu])`, onNode(t, "", 1, "a", "b"), []string{"200 and 600"}},
		"an eviction that frees nothing":  {`protect contains "frees nothing" if input.stateWithout.free.cpu < 500`, onNode(t, "", 1, "a", "b", "c"), []string{"frees nothing"}},
		"one that frees enough":           {`protect contains "frees nothing" if input.stateWithout.free.cpu < 500`, onNode(t, "", 2, "a", "b", "c"), nil},
		"no victims, and none is read":    {`protect contains "frees nothing" if input.stateWithout.free.cpu < 500`, onNode(t, "", 0, "a", "b"), []string{"frees nothing"}},
		"no victims, but one is read":     {`protect contains "x" if not input.victim.labels.free`, onNode(t, "", 0, "a", "b"), nil},
		"no victims, but all are read":    {`protect contains "x" if every v in input.victims { v.name == "a" }`, onNode(t, "", 0, "a", "b"), nil},
		"no victims, and nothing is read": {`protect contains "never"`, onNode(t, "", 0), []string{"never"}},
		"the pods that stay":              {`protect contains p.name if some p in input.stateWithout.pods`, onNode(t, "", 1, "a", "b", "c"), []string{"b", "c"}},
		"all of the input":                {`protect contains concat(",", sort(object.keys(input)))`, onNode(t, "", 1, "a"), []string{"node,pod,state,stateWithout,victim,victims"}},
		"no state":                        {`protect contains concat(",", sort(object.keys(input)))`, Candidate{Node: node(t, "n", ""), Victims: victims("web")}, []string{"node,pod,victim,victims"}},
	} {
		t.Run(name, func(t *testing.T) {
			for kept, cache := range map[string]policy.CacheOptions{"nothing kept": {}, "kept": roomy} {
				profile := view(t, "package kubernetes.scheduling\n\n"+test.rules, cache).DefaultProfile()
				for range 2 {
					decided, _, err := Preempt(t.Context(), profile, object(t, pod), []Candidate{test.candidate})
					if err != nil || decided[0].Err != nil || !slices.Equal(decided[0].Protect, test.want) {
						t.Errorf("%s: %+v, %v, want %v", kept, decided, err, test.want)
					}
				}
			}
		})
	}
	t.Run("an unknown victim beside others", func(t *testing.T) {
		profile := view(t, "package kubernetes.scheduling\n\nprotect contains \"x\" if count(input.victims) > 5", roomy).DefaultProfile()
		decided, _, err := Preempt(t.Context(), profile, object(t, pod), []Candidate{{Victims: append(victims("web"), nil)}})
		if err != nil || !errors.Is(decided[0].Err, ErrUnknownVictim) {
			t.Errorf("%+v, %v, want ErrUnknownVictim", decided, err)
		}
	})
	t.Run("what is read of no victim is asked once", func(t *testing.T) {
		profile := view(t, "package kubernetes.scheduling\n\nprotect contains \"x\" if count(input.victims) > 5", policy.CacheOptions{}).DefaultProfile()
		_, work, err := Preempt(t.Context(), profile, object(t, pod), []Candidate{{Victims: victims("a", "b", "c")}})
		if err != nil || work.Nodes != 1 {
			t.Errorf("%+v, %v, want one question", work, err)
		}
	})
}

// TestPreemptSharesClasses: nodes that would be alike without their victims are
// decided once.
func TestPreemptSharesClasses(t *testing.T) {
	profile := view(t, "package kubernetes.scheduling\n\nreject contains \"no CPU\" if input.state.free.cpu < 500", roomy).DefaultProfile()
	candidates := make([]Candidate, 500)
	for i := range candidates {
		candidates[i] = onNode(t, "", 1+i%2, "a", "b", fmt.Sprint("c", i))
	}
	for turn, evaluations := range []int{2, 0} {
		_, work, err := Preempt(t.Context(), profile, object(t, pod), candidates)
		if want := (Sharing{Nodes: 500, Classes: 2, Evaluations: evaluations}); err != nil || work != want {
			t.Errorf("call %d: %+v, %v, want %+v", turn, work, err, want)
		}
	}
}

func BenchmarkPreempt(b *testing.B) {
	candidates := make([]Candidate, 500)
	for i := range candidates {
		candidates[i] = onNode(b, `,"tenant":"t1","size":"1"`, 2, "a", "b", fmt.Sprint("c", i))
	}
	profile, p := view(b, refusing, roomy).DefaultProfile(), object(b, pod)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Preempt(b.Context(), profile, p, candidates); err != nil {
			b.Fatal(err)
		}
	}
}
