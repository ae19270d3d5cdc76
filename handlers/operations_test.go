package handlers_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
)

func TestOperations(t *testing.T) {
	fine := handlers.Check{Name: "policy", Ready: func() error { return nil }, Detail: func() string { return "revision 1234\nnewest refused: a.rego:3:1\n" }}
	plain := handlers.Check{Name: "tokens", Ready: func() error { return nil }}
	broken := handlers.Check{Name: "nodes", Ready: func() error { return errors.New("not listed yet") }, Detail: func() string { return "not shown while it is not ready" }}
	const (
		fineLines  = "[+]policy ok\n   revision 1234\n   newest refused: a.rego:3:1\n[+]tokens ok\n"
		wholeLines = fineLines + "[-]nodes not ready: not listed yet\n"
	)
	tests := []struct {
		name, target string
		checks       []handlers.Check
		code         int
		body         string
	}{
		{"alive", "/livez", nil, 200, "ok\n"},
		{"alive though not ready", "/livez", []handlers.Check{broken}, 200, "ok\n"},
		{"ready", "/readyz", []handlers.Check{fine, plain}, 200, "ok\n"},
		{"ready, verbose", "/readyz?verbose", []handlers.Check{fine, plain}, 200, fineLines + "readyz check passed\n"},
		{"ready, verbose as a value", "/readyz?verbose=1", []handlers.Check{plain}, 200, "[+]tokens ok\nreadyz check passed\n"},
		{"ready without checks", "/readyz", nil, 200, "ok\n"},
		{"not ready says why", "/readyz", []handlers.Check{fine, plain, broken}, 503, wholeLines + "readyz check failed\n"},
		{"not ready, verbose", "/readyz?verbose", []handlers.Check{fine, plain, broken}, 503, wholeLines + "readyz check failed\n"},
		{"version", "/version", nil, 200, "{\n  \"version\": \"v9.9.9\"\n}\n"},
		{"metrics", "/metrics", nil, 200, "# metrics\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := getOperations(t, http.MethodGet, tt.target, tt.checks...)
			if w.Code != tt.code || w.Body.String() != tt.body {
				t.Errorf("answer is %d\n%s\nwant %d\n%s", w.Code, w.Body, tt.code, tt.body)
			}
			if w.Header().Get("Retry-After") != "" {
				t.Errorf("the answer has a Retry-After header")
			}
		})
	}
}

func TestOperationsServeNothingElse(t *testing.T) {
	for _, path := range []string{"/", "/authenticate", "/authorize", "/scheduler/filter", "/debug/pprof/", "/metrics/x"} {
		t.Run(path, func(t *testing.T) {
			if w := getOperations(t, http.MethodGet, path); w.Code != http.StatusNotFound {
				t.Errorf("code is %d, want 404", w.Code)
			}
		})
	}
	t.Run("POST", func(t *testing.T) {
		if w := getOperations(t, http.MethodPost, "/readyz"); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("code is %d, want 405", w.Code)
		}
	})
}

func TestVersionThatCannotBeEncoded(t *testing.T) {
	operations := handlers.NewOperations(handlers.OperationsOptions{
		Metrics: http.NotFoundHandler(),
		Version: func() any { return make(chan int) },
	})
	w := httptest.NewRecorder()
	operations.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/version", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "unsupported type") {
		t.Errorf("answer is %d %s, want 500 and the cause", w.Code, w.Body)
	}
}

func getOperations(t *testing.T, method, target string, checks ...handlers.Check) *httptest.ResponseRecorder {
	t.Helper()
	operations := handlers.NewOperations(handlers.OperationsOptions{
		Checks:  checks,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "# metrics\n") }),
		Version: func() any { return map[string]string{"version": "v9.9.9"} },
	})
	w := httptest.NewRecorder()
	operations.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w
}

func TestReadiness(t *testing.T) {
	var missing error
	h := handlers.NewReadiness(handlers.Check{Name: "bind", Ready: func() error { return missing }})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return w
	}
	if w := get("/readyz"); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	missing = errors.New("another replica binds")
	if w := get("/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "[-]bind not ready: another replica binds") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := get("/metrics"); w.Code != http.StatusNotFound {
		t.Errorf("something else is served: %d", w.Code)
	}
}
