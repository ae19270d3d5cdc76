package cache

import (
	"math"
	"testing"
)

func TestSharesAreTheBudget(t *testing.T) {
	for name, bytes := range map[string]int64{
		"the default": 128 << 20, "a byte": 1, "odd": 1_000_003, "the most": math.MaxInt64,
	} {
		t.Run(name, func(t *testing.T) {
			b := Budget{Bytes: bytes, Entries: 1}
			var sum int64
			for cache := range Weights() {
				share := b.Share(cache)
				if share < 0 {
					t.Errorf("%s has %d bytes", cache, share)
				}
				sum += share
			}
			if sum > bytes || sum < bytes-int64(len(Weights())) {
				t.Errorf("the shares are %d bytes of %d", sum, bytes)
			}
		})
	}
}

func TestABudgetWithoutRoomHasNoShares(t *testing.T) {
	for name, b := range map[string]Budget{
		"zero": {}, "no entries": {Bytes: 1 << 20}, "no bytes": {Entries: 1}, "negative": {Bytes: -1, Entries: -1},
	} {
		t.Run(name, func(t *testing.T) {
			for cache := range Weights() {
				if share := b.Share(cache); share != 0 {
					t.Errorf("%s has %d bytes", cache, share)
				}
			}
		})
	}
	if share := (Budget{Bytes: 1 << 20, Entries: 1}).Share("none"); share != 0 {
		t.Errorf("a cache without a weight has %d bytes", share)
	}
}
