package inprocess

import (
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

func TestTokensAreVerified(t *testing.T) {
	results, err := MeasureTokens(t.Context(), t.TempDir(), Turns{Rounds: 1, Duration: time.Millisecond}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(generate.Algorithms()) {
		t.Errorf("%d algorithms, want %v", len(results), generate.Algorithms())
	}
	for _, r := range results {
		if r.Check.Median <= 0 || r.Identity.Median <= 0 || r.Review.Median <= 0 || r.TokenBytes < 500 {
			t.Errorf("%+v: something is missing", r)
		}
		t.Logf("%s: signature %.1f identity %.1f review %.1f", r.Algorithm, r.Check.Median, r.Identity.Median, r.Review.Median)
	}
}
