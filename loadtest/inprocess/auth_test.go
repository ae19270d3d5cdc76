package inprocess

import (
	"io"
	"testing"
	"time"
)

func TestAuthorizersAgree(t *testing.T) {
	results, err := MeasureAuthorization(t.Context(), []int{100, 1000}, Turns{Rounds: 1, Duration: time.Millisecond}, 1, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Outcomes["allow"] == 0 || r.Outcomes["noOpinion"] == 0 || r.Verdict.Median <= 0 || r.RBAC.Median <= 0 || r.VerdictHeap <= 0 || r.RBACHeap <= 0 {
			t.Errorf("%+v: something is missing", r)
		}
		t.Logf("%d: verdict %.1f rbac %.1f %v", r.Bindings, r.Verdict.Median, r.RBAC.Median, r.Outcomes)
	}
}
