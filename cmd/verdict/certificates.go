package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/certs"
)

// webhookServer serves the webhook listener: an *http.Server, or with TLS a
// *certs.Server.
type webhookServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// newWebhookServer is over what files certificates returned; nil for plain HTTP.
func (s *service) newWebhookServer(files *certs.Reloader, newServer func() *http.Server) webhookServer {
	if files == nil {
		return newServer()
	}
	return files.NewServer(certs.ServerOptions{
		New: newServer, Untrusted: handlers.Untrusted(), HandshakeTimeout: s.config.Server.Timeouts.ReadHeader,
	})
}

// certificates returns the webhook listener's files, and keeps them under watch;
// nil with plain HTTP. Without files of the user's own it makes the development
// certificate.
func (s *service) certificates(ctx context.Context) (*certs.Reloader, error) {
	server := s.config.Server
	if server.PlainHTTP {
		return nil, nil
	}
	files := certs.Files{Cert: server.TLS.CertFile, Key: server.TLS.KeyFile, ClientCA: server.TLS.ClientCAFile}
	if files.Cert == "" {
		dir, err := developmentDir()
		if err != nil {
			return nil, err
		}
		development, err := certs.Development(dir, developmentHosts(server.Address), time.Now())
		if err != nil {
			return nil, fmt.Errorf("making the development certificate: %w", err)
		}
		s.caFile = development.CAFile
		files.Cert, files.Key = development.CertFile, development.KeyFile
	}
	reloader, err := certs.NewReloader(files, certs.Options{
		Observe: func(err error) { s.observer.fileReloaded("certificate", files.Cert, err) },
	})
	if err != nil {
		return nil, err
	}
	s.background.Go(func() { reloader.Run(ctx) })
	return reloader, nil
}

// developmentHosts is the host listened on, where it is one a caller can name.
func developmentHosts(address string) []string {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return nil
	}
	return []string{host}
}
