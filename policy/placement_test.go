package policy

import (
	"testing"
)

func TestPlace(t *testing.T) {
	revision := compile(t, Options{}, sched+`reject contains "r2" if input.node.full

reject contains "r1" if input.node.full

unresolvable contains "u2" if input.pod.tenant != input.node.tenant

unresolvable contains "u1" if input.pod.tenant != input.node.tenant`)
	for _, c := range []struct {
		name, node           string
		reject, unresolvable []string
	}{
		{"fit", `{"tenant":"a"}`, nil, nil},
		{"rejected", `{"tenant":"a","full":true}`, []string{"r1", "r2"}, nil},
		{"unresolvable", `{"tenant":"b"}`, nil, []string{"u1", "u2"}},
		{"both", `{"tenant":"b","full":true}`, []string{"r1", "r2"}, []string{"u1", "u2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := revision.Place(t.Context(), object(t, `{"tenant":"a"}`), object(t, c.node))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "reject", got.Reject, c.reject)
			equal(t, "unresolvable", got.Unresolvable, c.unresolvable)
		})
	}
}

func TestScore(t *testing.T) {
	for _, c := range []struct {
		name, scores string
		want         int64
	}{
		{"none", `{}`, 0},
		{"zero", `{"a":0}`, 0},
		{"one", `{"a":5}`, 5},
		{"sum", `{"a":2,"b":3}`, 5},
		{"most", `{"a":10}`, 10},
		{"above the most", `{"a":11}`, 10},
		{"a sum above the most", `{"a":6,"b":7}`, 10},
		{"negative", `{"a":-3}`, 0},
		{"a penalty", `{"a":8,"b":-3}`, 5},
		{"a penalty counts before the limit", `{"a":20,"b":-15}`, 5},
		{"below a half", `{"a":0.49}`, 0},
		{"a half", `{"a":0.5}`, 1},
		{"two and a half", `{"a":2.5}`, 3},
		{"halves add up", `{"a":0.5,"b":0.5}`, 1},
		{"minus a half", `{"a":-0.5}`, 0},
		{"nine and a half", `{"a":9.5}`, 10},
		{"ten and a half", `{"a":10.5}`, 10},
		{"huge", `{"a":1e300}`, 10},
		{"huge and negative", `{"a":-1e300}`, 0},
		{"a sum beyond float64", `{"a":1.7e308,"b":1.7e308}`, 10},
		{"tiny", `{"a":1e-300}`, 0},
		{"beyond int64", `{"a":18446744073709551616}`, 10},
		{"exponent", `{"a":5e0}`, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := compile(t, Options{}, sched+`score[name] := n if some name, n in input.node.scores`)
			got, err := revision.Score(t.Context(), object(t, `{}`), object(t, `{"scores":`+c.scores+`}`))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}

	t.Run("no score rule", func(t *testing.T) {
		got, err := compile(t, Options{}).Score(t.Context(), object(t, `{}`), object(t, `{}`))
		if err != nil || got != 0 {
			t.Errorf("got %d and error %v, want 0", got, err)
		}
	})
	for name, n := range map[string]string{"string": `"5"`, "boolean": `true`, "null": `null`, "list": `[5]`} {
		t.Run(name, func(t *testing.T) {
			revision := compile(t, Options{}, sched+`score[name] := n if some name, n in input.node.scores`)
			err := fault(t, func() error {
				_, err := revision.Score(t.Context(), object(t, `{}`), object(t, `{"scores":{"zone":`+n+`}}`))
				return err
			})
			contains(t, err.Error(), "kubernetes.scheduling.score", "zone", "must be a number")
		})
	}
}

func TestPlaceAndScoreFaults(t *testing.T) {
	revision := compile(t, Options{}, sched+`reject contains "x" if to_number(input.node.size) > 5

score.size := to_number(input.node.size)`)
	pod, node := object(t, `{}`), object(t, `{"size":"big"}`)
	err := fault(t, func() error {
		_, err := revision.Place(t.Context(), pod, node)
		return err
	})
	contains(t, err.Error(), "p0.rego:3:", "kubernetes.scheduling.reject", "to_number")
	err = fault(t, func() error {
		_, err := revision.Score(t.Context(), pod, node)
		return err
	})
	contains(t, err.Error(), "p0.rego:5:", "kubernetes.scheduling.score", "to_number")
}
