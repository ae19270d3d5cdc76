package handlers

import (
	"net/http"
	"sync/atomic"
)

// inFlight sheds what exceeds a number of requests at a time. Reviews share one;
// of the extender calls each verb of each profile has its own, so that a burst
// of binds leaves room for the filter calls of every profile.
type inFlight struct {
	most int64
	now  atomic.Int64
	// what has no more room, for the message of a refusal.
	what    string
	metrics *Metrics
}

func newInFlight(most int, what string, metrics *Metrics) *inFlight {
	return &inFlight{most: int64(most), what: what, metrics: metrics}
}

// enter takes a place, which leave gives back. When there is none it answers a
// plain 503 at once and is false: apiserver's clients call once for it, and
// five times for a 429.
func (f *inFlight) enter(c *call) bool {
	if f.now.Add(1) <= f.most {
		return true
	}
	f.now.Add(-1)
	f.metrics.shed.WithLabelValues(c.endpoint.point.String(), c.endpoint.verb).Inc()
	writeStatus(c, http.StatusServiceUnavailable, "too many "+f.what+" in flight (server.maxInFlight)")
	return false
}

func (f *inFlight) leave() { f.now.Add(-1) }
