package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
)

// ServeNothing answers POSTs to each path of answers with that fixed text,
// having read the body, until ctx ends: the floor under any service behind this
// router. It speaks TLS when certFile is not empty.
func ServeNothing(ctx context.Context, address, certFile, keyFile string, answers map[string]string) error {
	router := chi.NewRouter()
	for path, file := range answers {
		answer, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading the answer for %s: %w", path, err)
		}
		router.Post(path, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(answer) // the client went away
		})
	}
	server := &http.Server{Addr: address, Handler: router, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	var err error
	if certFile != "" {
		err = server.ListenAndServeTLS(certFile, keyFile)
	} else {
		err = server.ListenAndServe()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving nothing: %w", err)
}
