package inprocess

import (
	"testing"
	"time"
)

func TestEvaluatorsAgree(t *testing.T) {
	turns := Turns{Rounds: 1, Duration: time.Millisecond}
	results, err := MeasureEvaluators(t.Context(), 1000, turns, 1)
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := MeasureShipped(t.Context(), "../..", turns)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(results, shipped...) {
		if r.Compiled.Median <= 0 || r.Interpreter.Median <= 0 || r.Allocations <= 0 {
			t.Errorf("%+v: something is missing", r)
		}
		t.Logf("%s: %.1f against %.1f µs, %.0f allocations", r.Name, r.Compiled.Median, r.Interpreter.Median, r.Allocations)
	}
}

func TestUnseenIsMeasured(t *testing.T) {
	turns := Turns{Rounds: 1, Duration: time.Millisecond}
	for name, measure := range map[string]func() (Against, error){
		"bytes":  func() (Against, error) { return MeasureBytes(t.Context(), 1000, turns, 1) },
		"nodes":  func() (Against, error) { return MeasureUniqueNodes(t.Context(), 100, turns, 1) },
		"change": func() (Against, error) { return MeasureChange(t.Context(), 20, turns, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := measure()
			if err != nil || got.Verdict.Median <= 0 || got.Other.Median <= 0 {
				t.Fatalf("got %+v and error %v", got, err)
			}
			t.Logf("%.1f against %.1f µs", got.Verdict.Median, got.Other.Median)
		})
	}
}
