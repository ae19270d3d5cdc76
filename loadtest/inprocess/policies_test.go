package inprocess

import (
	"testing"
	"time"
)

func TestPoliciesAreMeasured(t *testing.T) {
	results, err := MeasurePolicies(t.Context(), []int{1, 20}, Turns{Rounds: 1, Duration: time.Millisecond}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Load.Median <= 0 || r.Decide.Median <= 0 {
			t.Errorf("%+v: something is missing", r)
		}
	}
}
