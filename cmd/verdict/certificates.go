package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/verdict-dev/verdict/internal/certs"
)

// certificates returns the webhook listener's TLS configuration, and keeps its
// files under watch; nil with plain HTTP. Without files of the user's own it
// makes the development certificate.
func (s *service) certificates(ctx context.Context) (*tls.Config, error) {
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
	return reloader.TLSConfig(), nil
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
