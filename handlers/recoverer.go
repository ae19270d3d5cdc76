package handlers

import (
	"net/http"

	"go.uber.org/zap"
)

// recoverer answers 503 when a handler panics: a 500 would be sent five times,
// and a dropped connection tells the caller nothing.
func (h *handler) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				h.Metrics.panics.Inc()
				// The cause may quote the request, so only where it happened is kept.
				h.Log.Error("a handler panicked: this is a defect in verdict", zap.String("path", r.URL.Path), zap.Stack("stack"))
				writeStatus(w, http.StatusServiceUnavailable, "an internal fault; see verdict's log")
			}
		}()
		next.ServeHTTP(w, r)
	})
}
