package tokens

import (
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
)

func TestTokensAreVerified(t *testing.T) {
	results, err := measure(t.Context(), t.TempDir(), inprocess.Turns{Rounds: 1, Duration: time.Millisecond}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(generate.Algorithms()) {
		t.Errorf("%d algorithms, want %v", len(results), generate.Algorithms())
	}
	for _, r := range results {
		if r.check.Median <= 0 || r.identity.Median <= 0 || r.review.Median <= 0 || r.tokenBytes < 500 {
			t.Errorf("%+v: something is missing", r)
		}
		t.Logf("%s: signature %.1f identity %.1f review %.1f", r.algorithm, r.check.Median, r.identity.Median, r.review.Median)
	}
}
