package policyfiles

import (
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/inprocess"
)

func TestPoliciesAreMeasured(t *testing.T) {
	results, err := measure(t.Context(), []int{1, 20}, inprocess.Turns{Rounds: 1, Duration: time.Millisecond}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.load.Median <= 0 || r.decide.Median <= 0 {
			t.Errorf("%+v: something is missing", r)
		}
	}
}
