package handlers

import "net/http"

// inFlight sheds what exceeds a number of requests at a time.
type inFlight struct {
	slots   chan struct{}
	metrics *Metrics
}

func newInFlight(most int, metrics *Metrics) *inFlight {
	return &inFlight{slots: make(chan struct{}, most), metrics: metrics}
}

// limit answers a plain 503 at once when every slot is taken: apiserver's
// clients call once for it, and five times for a 429.
func (f *inFlight) limit(point Point) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case f.slots <- struct{}{}:
				defer func() { <-f.slots }()
				next.ServeHTTP(w, r)
			default:
				f.metrics.shed.WithLabelValues(string(point)).Inc()
				writeStatus(w, http.StatusServiceUnavailable, "too many requests in flight (server.maxInFlight)")
			}
		})
	}
}
