package oidcprovider

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// Provider is an OpenID Connect provider. What it has issued, its keys and its
// address outlive Stop. Start and Stop are for one goroutine.
type Provider struct {
	// CAFile holds the authority, in PEM, that its certificate is from.
	CAFile string

	address     string
	certificate tls.Certificate
	storage     *store
	handler     http.Handler
	keysAsked   atomic.Int64

	server *http.Server
	ended  chan struct{}
}

// New prepares a provider; dir is for its certificates. It has to be started,
// and stopped in the end.
func New(dir string) (*Provider, error) {
	address, err := controlplane.FreeAddress()
	if err != nil {
		return nil, err
	}
	ca, err := controlplane.NewCA("e2e OpenID Connect CA", filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pair, err := ca.Server(filepath.Join(dir, "provider"), "oidc")
	if err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the provider's certificate: %w", err)
	}
	storage, err := newStore()
	if err != nil {
		return nil, err
	}
	p := &Provider{CAFile: ca.File, address: address, certificate: certificate, storage: storage}
	if p.handler, err = p.routes(); err != nil {
		return nil, err
	}
	return p, nil
}

// Issuer is the "iss" of its tokens.
func (p *Provider) Issuer() string { return "https://" + p.address }

// KeysAsked is how often the keys were fetched so far. A login counts too: the
// client verifies what it gets.
func (p *Provider) KeysAsked() int64 { return p.keysAsked.Load() }

// SetLifetime is how long ID tokens issued from now on are good for.
func (p *Provider) SetLifetime(lifetime time.Duration) { p.storage.lifetime.Store(int64(lifetime)) }

// Rotate signs with a new key from now on. The one before is published beside
// it or, without keepOld, no longer.
func (p *Provider) Rotate(keepOld bool) error { return p.storage.keys.rotate(keepOld) }

// Start listens.
func (p *Provider) Start() error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("start the provider: %w", err)
	}
	server := &http.Server{
		Handler:           p.handler,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{p.certificate}},
		ReadHeaderTimeout: time.Minute,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(listener, "", "")
	}()
	p.server, p.ended = server, ended
	return nil
}

// Stop closes the address and every connection. It may be called twice.
func (p *Provider) Stop() error {
	if p.server == nil {
		return nil
	}
	err := p.server.Close()
	<-p.ended
	p.server = nil
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop the provider: %w", err)
	}
	return nil
}

// routes are the library's, the login form, and a count of who asks for keys.
func (p *Provider) routes() (http.Handler, error) {
	config := &op.Config{CodeMethodS256: true, SupportedScopes: scopes}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, fmt.Errorf("make the provider's encryption key: %w", err)
	}
	provider, err := op.NewProvider(config, p.storage, op.StaticIssuer(p.Issuer()))
	if err != nil {
		return nil, fmt.Errorf("make the provider: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(loginPath, op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(login{p.storage, op.AuthCallbackURL(provider)}))
	mux.HandleFunc(provider.KeysEndpoint().Relative(), func(w http.ResponseWriter, r *http.Request) {
		p.keysAsked.Add(1)
		provider.ServeHTTP(w, r)
	})
	mux.Handle("/", provider)
	return mux, nil
}
