package evaluators

import (
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/inprocess"
)

func TestEvaluatorsAgree(t *testing.T) {
	turns := inprocess.Turns{Rounds: 1, Duration: time.Millisecond}
	results, err := measureDecided(t.Context(), 1000, turns, 1)
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := measureShipped(t.Context(), "../../..", turns)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(results, shipped...) {
		if r.compiled.Median <= 0 || r.interpreter.Median <= 0 || r.allocations <= 0 {
			t.Errorf("%+v: something is missing", r)
		}
		t.Logf("%s: %.1f against %.1f µs, %.0f allocations", r.name, r.compiled.Median, r.interpreter.Median, r.allocations)
	}
}

func TestUnseenIsMeasured(t *testing.T) {
	turns := inprocess.Turns{Rounds: 1, Duration: time.Millisecond}
	for name, measure := range map[string]func() (against, error){
		"bytes":  func() (against, error) { return measureBytes(t.Context(), 1000, turns, 1) },
		"nodes":  func() (against, error) { return measureUniqueNodes(t.Context(), 100, turns, 1) },
		"change": func() (against, error) { return measureChange(t.Context(), 20, turns, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := measure()
			if err != nil || got.verdict.Median <= 0 || got.other.Median <= 0 {
				t.Fatalf("got %+v and error %v", got, err)
			}
			t.Logf("%.1f against %.1f µs", got.verdict.Median, got.other.Median)
		})
	}
}
