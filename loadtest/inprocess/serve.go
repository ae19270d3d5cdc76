package inprocess

import (
	"bytes"
	"fmt"
	"net/http"
)

// Serve lets handler answer one call without a network. The answer is written to out.
func Serve(handler http.Handler, path string, body []byte, out *bytes.Buffer) error {
	request, err := http.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	w := response{header: http.Header{}, body: out}
	handler.ServeHTTP(&w, request)
	if w.status != 0 && w.status != http.StatusOK {
		return fmt.Errorf("answered %d: %.300s", w.status, out)
	}
	return nil
}

// response is an http.ResponseWriter.
type response struct {
	header http.Header
	status int
	body   *bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *response) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *response) Write(text []byte) (int, error) { return r.body.Write(text) }
