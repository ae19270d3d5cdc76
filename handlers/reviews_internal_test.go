package handlers

import (
	"testing"

	"github.com/verdict-dev/verdict/policy"
)

// TestEveryPointIsServed: the configuration takes callers and entry rules of every
// point in the table of package policy.
func TestEveryPointIsServed(t *testing.T) {
	for _, point := range policy.Points() {
		if point != policy.SchedulingPoint && kindOf(point) == nil {
			t.Errorf("no kind of review is served for %v", point)
		}
	}
}
