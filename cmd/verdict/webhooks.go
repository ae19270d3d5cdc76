package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/certs"
	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/policy/cache"
)

// webhookServer serves the webhook listener: an *http.Server, or with TLS a
// *certs.Server.
type webhookServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// prepareWebhooks makes the server that Kubernetes calls, and listens on
// server.address.
func (s *service) prepareWebhooks(ctx context.Context) error {
	files, err := s.certificates(ctx)
	if err != nil {
		return err
	}
	options := s.handlerOptions()
	s.watchDecisions(options.Metrics)
	webhooks := handlers.New(options)
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	s.endRequests = endRequests
	newServer := func() *http.Server {
		server := s.newServer(webhooks)
		server.BaseContext = func(net.Listener) context.Context { return requests }
		server.MaxHeaderBytes = int(s.config.Server.Limits.HeaderBytes)
		return server
	}
	if files == nil {
		s.webhooks = newServer()
	} else {
		s.webhooks = files.NewServer(certs.ServerOptions{
			New: newServer, Untrusted: handlers.Untrusted(), HandshakeTimeout: s.config.Server.Timeouts.ReadHeader,
		})
	}
	s.webhookListen, err = listen(ctx, s.config.Server.Address, "server.address or --address")
	return err
}

// handlerOptions are the settings of the configuration for the handlers. They are
// copied field by field, since neither package can import the other: handlers
// knows nothing of internal packages, and those do not import handlers.
func (s *service) handlerOptions() handlers.Options {
	c := s.config
	options := handlers.Options{
		Revisions:         s.engine,
		Verifier:          s.verifier,
		Profiles:          c.Scheduling.Profiles,
		PodState:          cluster.PodStateReader(c.Scheduling.PodAnnotations),
		Metrics:           handlers.NewMetrics(s.registry),
		Log:               s.log,
		Audiences:         c.Authentication.Audiences,
		OnError:           handlers.OnError(c.Authorization.OnError),
		OnUnavailable:     handlers.OnUnavailable(c.Authorization.OnUnavailable),
		Cache:             c.Cache.Budget(),
		MaxInFlight:       c.Server.MaxInFlight,
		ReviewBytes:       c.Server.Limits.ReviewBytes,
		SchedulingBytes:   c.Server.Limits.SchedulingBytes,
		ReviewValues:      c.Server.Limits.ReviewValues,
		SchedulingValues:  c.Server.Limits.SchedulingValues,
		ObjectValues:      c.Server.Limits.ObjectValues,
		BytesInFlight:     c.Server.MaxBytesInFlight,
		DecisionTimeout:   c.Server.Timeouts.Decision,
		ReadTimeout:       c.Server.Timeouts.Read,
		SchedulingTimeout: c.Scheduling.Timeout,
	}
	if watched := s.cluster.Load(); watched != nil {
		options.Cluster = watched
	}
	if c.Server.TLS.ClientCAFile != "" {
		options.PeerNames = certs.PeerNames
		options.Callers = c.Server.Callers.ByPoint()
	}
	return options
}

// watchDecisions adds the figures of evaluations, caches and assumed pods to metrics.
func (s *service) watchDecisions(metrics *handlers.Metrics) {
	metrics.WatchEvaluations(s.engine.Evaluations)
	for _, caches := range []map[cache.Name]func() cache.Stats{s.engine.CacheStats(), s.verifier.CacheStats()} {
		for name, stats := range caches {
			metrics.WatchCache(name, stats)
		}
	}
	if watched := s.cluster.Load(); watched != nil {
		metrics.WatchAssumed(watched.AssumedPods)
	}
}

// certificates returns the files of the webhook listener, and watches them; nil with
// plain HTTP. Where the configuration names no files it makes the development
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

// developmentHosts is the host of the address, if a caller can use it as a name.
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
