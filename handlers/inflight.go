package handlers

import (
	"net/http"
	"sync/atomic"
)

// inFlight sheds what exceeds a number of requests at a time.
type inFlight struct {
	most    int64
	now     atomic.Int64
	metrics *Metrics
}

func newInFlight(most int, metrics *Metrics) *inFlight {
	return &inFlight{most: int64(most), metrics: metrics}
}

// enter takes a place, which leave gives back. When there is none it answers a
// plain 503 at once and is false: apiserver's clients call once for it, and
// five times for a 429.
func (f *inFlight) enter(c *call, point Point) bool {
	if f.now.Add(1) <= f.most {
		return true
	}
	f.now.Add(-1)
	f.metrics.shed.WithLabelValues(string(point)).Inc()
	writeStatus(c, http.StatusServiceUnavailable, "too many requests in flight (server.maxInFlight)")
	return false
}

func (f *inFlight) leave() { f.now.Add(-1) }
