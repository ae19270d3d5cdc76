package load_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/loadtest/load"
)

// echo answers what it was sent, and 404 elsewhere.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/echo" || r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

func TestClients(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())

	dial := map[string]func(path string) (load.Client, error){
		"HTTP/1.1": func(path string) (load.Client, error) {
			return load.DialHTTP1(t.Context(), plain.Listener.Addr().String(), path)
		},
		"HTTP/2": func(path string) (load.Client, error) {
			return load.NewTLS(secure.Listener.Addr().String(), path, roots, 2), nil
		},
	}
	for name, dial := range dial {
		t.Run(name, func(t *testing.T) {
			client, err := dial("/echo")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			// The second is long enough to be answered in chunks.
			for _, body := range []string{"{}", strings.Repeat("x", 1<<20), ""} {
				var answer strings.Builder
				if err := client.Do([]byte(body), &answer); err != nil {
					t.Fatal(err)
				}
				if answer.String() != body {
					t.Errorf("%d bytes came back of %d", answer.Len(), len(body))
				}
			}
			lost, err := dial("/elsewhere")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = lost.Close() }()
			if err := lost.Do(nil, io.Discard); err == nil || !strings.Contains(err.Error(), "404") {
				t.Errorf("error %v, want one with the status 404", err)
			}
		})
	}
}
