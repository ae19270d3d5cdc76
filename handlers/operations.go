package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Check is one thing that readiness depends on.
type Check struct {
	Name string
	// Ready returns nil when this is fine.
	Ready func() error
	// Detail says more in /readyz?verbose: what runs, and what is wrong with it
	// short of not being ready. May be nil.
	Detail func() string
}

// OperationsOptions are what the operations listener serves.
type OperationsOptions struct {
	Checks []Check
	// Metrics answers /metrics.
	Metrics http.Handler
	// Version is encoded as JSON for /version.
	Version func() any
}

// NewOperations returns the handler of the operations listener: /livez,
// /readyz (with ?verbose), /metrics and /version.
func NewOperations(o OperationsOptions) http.Handler {
	r := chi.NewRouter()
	r.Get("/livez", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	r.Get("/readyz", o.ready)
	r.Method(http.MethodGet, "/metrics", o.Metrics)
	r.Get("/version", func(w http.ResponseWriter, _ *http.Request) {
		body, err := json.MarshalIndent(o.Version(), "", "  ")
		if err != nil {
			text(w, http.StatusInternalServerError, err.Error())
			return
		}
		writeJSON(w, http.StatusOK, append(body, '\n'))
	})
	return r
}

// NewReadiness returns the handler of a listener that says on /readyz whether
// one thing is fine, for probes.
func NewReadiness(check Check) http.Handler {
	r := chi.NewRouter()
	r.Get("/readyz", OperationsOptions{Checks: []Check{check}}.ready)
	return r
}

// ready answers as kube-apiserver's /readyz does: ok, or with ?verbose or a
// failure one line a check.
func (o OperationsOptions) ready(w http.ResponseWriter, r *http.Request) {
	var lines strings.Builder
	code := http.StatusOK
	for _, check := range o.Checks {
		if err := check.Ready(); err != nil {
			code = http.StatusServiceUnavailable
			fmt.Fprintf(&lines, "[-]%s not ready: %v\n", check.Name, err)
			continue
		}
		fmt.Fprintf(&lines, "[+]%s ok\n", check.Name)
		if check.Detail != nil {
			for line := range strings.SplitSeq(check.Detail(), "\n") {
				if line != "" {
					fmt.Fprintf(&lines, "   %s\n", line)
				}
			}
		}
	}
	_, verbose := r.URL.Query()["verbose"]
	switch {
	case code == http.StatusOK && !verbose:
		text(w, code, "ok\n")
	case code == http.StatusOK:
		text(w, code, lines.String()+"readyz check passed\n")
	default:
		text(w, code, lines.String()+"readyz check failed\n")
	}
}

func text(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body)) // the caller has gone; there is no other to report the error to
}
