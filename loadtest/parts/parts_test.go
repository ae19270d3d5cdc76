package parts

import (
	"testing"

	"github.com/verdict-dev/verdict/loadtest/bench"
)

func TestChosenParts(t *testing.T) {
	for only, want := range map[string]int{"": len(parts), "in process": 3, "bad tokens": 1, "evaluator": 1, "evaluator, bad tokens": 2, "kube-scheduler": 1, "TokenReview": 0} {
		if chosen, left := choose(bench.Options{Only: only}); len(chosen) != want || len(chosen)+len(left) != len(parts) {
			t.Errorf("%q: %d parts are chosen and %d left, want %d", only, len(chosen), len(left), want)
		}
	}
}
