package handlers

import (
	"net/http"
	"slices"

	"go.uber.org/zap"
)

// Untrusted answers requests on connections that end because the authority of
// their caller's certificate was taken out of the client CA bundle.
func Untrusted() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		writeStatus(w, http.StatusForbidden, "the authority of your certificate is no longer in server.tls.clientCAFile")
	})
}

// admit accepts callers whose certificate names are listed for the point. A client
// CA alone is not enough: the cluster's own CA signs the certificate of each kubelet.
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
		zap.String("point", e.point.String()), zap.Strings("names", names))
	writeStatus(c, http.StatusForbidden, "your certificate's name is not listed in server.callers."+e.point.String())
	return false
}
