package handlers

import (
	"net/http"
	"strings"
	"time"
)

// deadline gives the request the time its caller will wait (?timeout=, a Go
// duration, as apiserver's clients append it), at most longest. It is false
// when the answer has been written.
func (e *endpoint) deadline(c *call) bool {
	c.timeout = e.longest
	asked := timeoutOf(c.request)
	if asked == "" {
		return true
	}
	d, err := time.ParseDuration(asked)
	if err != nil || d <= 0 {
		writeStatus(c, http.StatusBadRequest, "timeout: "+printable(asked)+" is not a positive duration such as 10s")
		return false
	}
	c.timeout = min(d, e.longest)
	return true
}

func timeoutOf(r *http.Request) string {
	query := r.URL.RawQuery
	if query == "" {
		return ""
	}
	if alone, ok := strings.CutPrefix(query, "timeout="); ok && !strings.ContainsAny(alone, "&%+;=") {
		return alone
	}
	return r.URL.Query().Get("timeout")
}
