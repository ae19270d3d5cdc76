package handlers

import (
	"net/http"
	"slices"

	"go.uber.org/zap"
)

// admit lets those through whose certificate names are listed for the point. A
// client CA alone is not enough: the cluster's own vouches for every kubelet.
// It is false when the answer has been written.
func (e *endpoint) admit(c *call) bool {
	if e.Callers == nil {
		return true
	}
	r := c.request
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		writeStatus(c, http.StatusForbidden, "a client certificate is required")
		return false
	}
	names := e.PeerNames(r.TLS.PeerCertificates[0])
	for _, pattern := range e.Callers[e.point] {
		if pattern == "*" || slices.Contains(names, pattern) {
			return true
		}
	}
	e.Log.Warn("caller refused: its certificate is not listed in server.callers",
		zap.String("point", string(e.point)), zap.Strings("names", names))
	writeStatus(c, http.StatusForbidden, "your certificate's name is not listed in server.callers."+string(e.point))
	return false
}
