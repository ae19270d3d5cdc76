package load_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/load"
)

// stalling answers each request but one at once, and refuses another.
type stalling struct{ calls *atomic.Int64 }

func (s stalling) Do([]byte, io.Writer) error {
	switch s.calls.Add(1) {
	case 10:
		time.Sleep(100 * time.Millisecond)
	case 50:
		return errors.New("refused")
	}
	return nil
}

func (stalling) Close() error { return nil }

func TestTimelineChargesAStallToAllThatWaited(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	var calls atomic.Int64
	var next atomic.Uint64
	dials := 0
	dial := func() (load.Client, error) {
		dials++
		return stalling{&calls}, nil
	}
	began := time.Now()
	samples, err := load.Timeline(ctx, dial, 1, func(b []byte, _ uint64) []byte { return b }, &next, 500)
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) < 100 || len(samples) > 210 {
		t.Errorf("%d requests in 400 ms, want about 200", len(samples))
	}
	slow := 0
	for _, s := range samples {
		if s.Took > 20*time.Millisecond {
			slow++
		}
	}
	if slow < 20 {
		t.Errorf("%d requests were late; want those that were due while one stalled, about 40", slow)
	}
	latency, failed := load.Between(samples, began, time.Now())
	if failed != 1 || dials != 2 || latency.TotalCount() != int64(len(samples)) {
		t.Errorf("%d failed, %d connections, %d samples; want 1, 2, %d", failed, dials, latency.TotalCount(), len(samples))
	}
	if before, _ := load.Between(samples, began.Add(-time.Hour), began); before.TotalCount() != 0 {
		t.Errorf("%d requests before the start", before.TotalCount())
	}
}
