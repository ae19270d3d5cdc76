package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Issuer is the server of a token issuer, within this program.
type Issuer struct {
	// KeysURL is the URL of its public keys, IntrospectionURL the one that answers what
	// a token is.
	KeysURL, IntrospectionURL string

	keys, introspections atomic.Int64 // requests
	server               *http.Server
	ended                chan error
}

// ServeIssuer serves a JSON Web Key Set (RFC 7517 §5), and the answers of introspect about
// tokens (RFC 7662), over TLS until Stop. It authenticates no client.
func ServeIssuer(ctx context.Context, pair Certificate, jwks []byte, introspect func(token string) []byte) (*Issuer, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving an issuer: %w", err)
	}
	base := "https://" + listener.Addr().String()
	i := &Issuer{KeysURL: base + "/keys", IntrospectionURL: base + "/introspect", ended: make(chan error, 1)}
	answer := func(w http.ResponseWriter, text []byte) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // the client went away
	}
	router := http.NewServeMux()
	router.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.keys.Add(1)
		answer(w, jwks)
	})
	router.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		i.introspections.Add(1)
		answer(w, introspect(r.PostFormValue("token")))
	})
	i.server = &http.Server{Handler: router, ReadHeaderTimeout: 5 * time.Second}
	go func() { i.ended <- i.server.ServeTLS(listener, pair.CertFile, pair.KeyFile) }()
	return i, nil
}

// Asked is how often the issuer was asked, for its keys or about a token.
func (i *Issuer) Asked() int64 { return i.keys.Load() + i.introspections.Load() }

// Stop ends the server.
func (i *Issuer) Stop() error {
	err := i.server.Close()
	if ended := <-i.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serving an issuer: %w", ended))
	}
	return err
}
