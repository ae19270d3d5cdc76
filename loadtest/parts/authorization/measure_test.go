package authorization

import (
	"io"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/inprocess"
)

func TestAuthorizersAgree(t *testing.T) {
	results, err := measure(t.Context(), []int{100, 1000}, inprocess.Turns{Rounds: 1, Duration: time.Millisecond}, 1, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range results {
		if d.outcomes["allow"] == 0 || d.outcomes["noOpinion"] == 0 || d.verdict.Median <= 0 || d.rbac.Median <= 0 || d.verdictHeap <= 0 || d.rbacHeap <= 0 {
			t.Errorf("%+v: something is missing", d)
		}
		t.Logf("%d: verdict %.1f rbac %.1f %v", d.bindings, d.verdict.Median, d.rbac.Median, d.outcomes)
	}
}
