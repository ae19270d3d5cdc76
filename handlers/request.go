package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

type bodyKey struct{}

// body reads the whole request body, at most limit bytes of JSON, within the
// request's deadline, and hands it to next through bodyOf.
func (h *handler) body(point Point, verb string, limit int64) func(http.Handler) http.Handler {
	size := h.Metrics.size.WithLabelValues(string(point), verb)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
				writeStatus(w, http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
				return
			}
			if r.ContentLength > limit {
				tooLarge(w, limit)
				return
			}
			if deadline, ok := r.Context().Deadline(); ok {
				// A caller that dribbles holds a slot for no longer than it may
				// wait. Test recorders know no deadlines; every server does.
				_ = http.NewResponseController(w).SetReadDeadline(deadline)
			}
			content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
			size.Observe(float64(len(content)))
			if err != nil {
				if _, large := errors.AsType[*http.MaxBytesError](err); large {
					tooLarge(w, limit)
					return
				}
				writeStatus(w, http.StatusBadRequest, "reading the body: the connection or the time ended before it was whole")
				return
			}
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), bodyKey{}, content)))
		})
	}
}

func tooLarge(w http.ResponseWriter, limit int64) {
	writeStatus(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes, the limit set by server.limits", limit))
}

func bodyOf(r *http.Request) []byte {
	content, _ := r.Context().Value(bodyKey{}).([]byte)
	return content
}

// deadline gives the request the time its caller will wait (?timeout=, a Go
// duration, as apiserver's clients append it), at most longest.
func (h *handler) deadline(longest time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			timeout := longest
			if asked := r.URL.Query().Get("timeout"); asked != "" {
				d, err := time.ParseDuration(asked)
				if err != nil || d <= 0 {
					writeStatus(w, http.StatusBadRequest, "timeout: "+printable(asked)+" is not a positive duration such as 10s")
					return
				}
				timeout = min(d, longest)
			}
			ctx, cancel := context.WithTimeout(r.Context(), timeout)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
