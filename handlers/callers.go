package handlers

import (
	"net/http"
	"slices"

	"go.uber.org/zap"
)

// caller admits those whose certificate names are listed for the point. A
// client CA alone is not enough: the cluster's own vouches for every kubelet.
func (h *handler) caller(point Point) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if h.Callers == nil {
			return next
		}
		allowed := h.Callers[point]
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
				writeStatus(w, http.StatusForbidden, "a client certificate is required")
				return
			}
			names := h.PeerNames(r.TLS.PeerCertificates[0])
			for _, pattern := range allowed {
				if pattern == "*" || slices.Contains(names, pattern) {
					next.ServeHTTP(w, r)
					return
				}
			}
			h.Log.Warn("caller refused: its certificate is not listed in server.callers",
				zap.String("point", string(point)), zap.Strings("names", names))
			writeStatus(w, http.StatusForbidden, "your certificate's name is not listed in server.callers."+string(point))
		})
	}
}
