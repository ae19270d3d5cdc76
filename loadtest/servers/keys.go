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

// Keys is an issuer's server for its public keys, within this program.
type Keys struct {
	// URL is where the keys are.
	URL    string
	asked  atomic.Int64
	server *http.Server
	ended  chan error
}

// ServeKeys serves a JSON Web Key Set (RFC 7517 §5) over TLS until Stop.
func ServeKeys(ctx context.Context, pair Certificate, jwks []byte) (*Keys, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving keys: %w", err)
	}
	k := &Keys{URL: "https://" + listener.Addr().String() + "/keys", ended: make(chan error, 1)}
	router := http.NewServeMux()
	router.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		k.asked.Add(1)
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(jwks) // the client went away
	})
	k.server = &http.Server{Handler: router, ReadHeaderTimeout: 5 * time.Second}
	go func() { k.ended <- k.server.ServeTLS(listener, pair.CertFile, pair.KeyFile) }()
	return k, nil
}

// Asked is how often the keys were asked for.
func (k *Keys) Asked() int64 { return k.asked.Load() }

// Stop ends the server.
func (k *Keys) Stop() error {
	err := k.server.Close()
	if ended := <-k.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serving keys: %w", ended))
	}
	return err
}
