package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/policy"
)

// service is everything `verdict serve` runs.
type service struct {
	config   *config.Configuration
	log      *zap.Logger
	registry *prometheus.Registry
	observer *observer
	engine   *policy.Engine
	verifier *identity.Verifier
	// identityDetails are lines for /readyz?verbose about the sources.
	identityDetails []func() string
	stopping        atomic.Bool

	// cluster is what the service knows of the cluster, nil without one.
	cluster      atomic.Pointer[cluster.State]
	nodesChanged wakeup

	webhooks                        webhookServer
	operations                      *http.Server
	bindReadiness                   *http.Server // nil without scheduling.bind.readinessAddress
	webhookListen, operationsListen net.Listener
	errorLog                        *log.Logger // for errors of connections

	caFile  string   // the development CA; "" with a certificate of the user's own
	example *example // nil with a configuration file

	// endRequests ends the evaluations of requests in flight, which are then answered.
	endRequests context.CancelFunc

	// background watches files and the cluster until stop is called.
	background sync.WaitGroup
	stop       context.CancelFunc
}

// newService reads the policies, the identity sources and the certificates, starts
// to watch them, and listens on the addresses. withExample adds the example user.
func newService(ctx context.Context, c *config.Configuration, withExample bool, logger *zap.Logger) (*service, error) {
	errorLog, err := zap.NewStdLogAt(logger.Named("http"), zap.WarnLevel)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &service{
		config: c, log: logger, errorLog: errorLog, registry: registry,
		observer: newObserver(logger, registry), nodesChanged: newWakeup(),
	}
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.prepare(ctx, withExample); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepare makes the engine, the verifier and the watch of the cluster, then the
// servers that use them.
func (s *service) prepare(ctx context.Context, withExample bool) error {
	if err := s.loadPolicies(ctx); err != nil {
		return err
	}
	if err := s.loadIdentities(ctx, withExample); err != nil {
		return err
	}
	if err := s.watchCluster(ctx); err != nil {
		return err
	}
	if err := s.prepareWebhooks(ctx); err != nil {
		return err
	}
	if err := s.prepareOperations(ctx); err != nil {
		return err
	}
	return s.serveBindReadiness(ctx)
}

// newServer has the timeouts of the configuration.
func (s *service) newServer(handler http.Handler) *http.Server {
	timeouts := s.config.Server.Timeouts
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: timeouts.ReadHeader,
		ReadTimeout:       timeouts.Read,
		WriteTimeout:      timeouts.Write,
		IdleTimeout:       timeouts.Idle,
		ErrorLog:          s.errorLog,
	}
}

// listen names in its errors the setting to change.
func listen(ctx context.Context, address, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with %s", err, setting)
	}
	return l, nil
}

// run serves until a signal asks to stop, a listener fails or ctx ends.
func (s *service) run(ctx context.Context, signals <-chan os.Signal) error {
	failed := make(chan error, 2)
	var servers sync.WaitGroup
	defer servers.Wait()
	servers.Go(func() { failed <- s.operations.Serve(s.operationsListen) })
	servers.Go(func() {
		failed <- s.webhooks.Serve(s.webhookListen)
	})
	defer func() {
		_ = s.webhooks.Close()
		_ = s.operations.Close()
	}()

	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	case got := <-signals:
		s.log.Info("shutting down: not ready, still answering", zap.Stringer("signal", got),
			zap.Duration("drain", s.config.Shutdown.Drain))
	}
	s.stopping.Store(true)
	resigning, resigned := context.WithCancel(ctx)
	defer resigned()
	s.resign(resigning)
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-time.After(s.config.Shutdown.Drain):
	case <-signals:
		return errSecondSignal
	}
	return s.finish(ctx, signals)
}

var errSecondSignal = errors.New("stopped at once by a second signal")

// answeringTime is the rest of the grace period in which the last answers are sent,
// and in which the server, which checks twice a second, sees that they were sent.
const answeringTime = 2 * time.Second

// finish lets requests in flight end, and refuses new connections.
func (s *service) finish(ctx context.Context, signals <-chan os.Signal) error {
	s.log.Info("finishing the requests in flight", zap.Duration("grace", s.config.Shutdown.Grace))
	ctx, cancel := context.WithTimeout(ctx, s.config.Shutdown.Grace)
	defer cancel()
	// Requests that are not decided near the end are answered with a timeout: the
	// apiserver's client repeats a request when its connection was reset.
	ending := time.AfterFunc(s.config.Shutdown.Grace-min(s.config.Shutdown.Grace/2, answeringTime), s.endRequests)
	defer ending.Stop()
	done := make(chan error, 1)
	s.background.Go(func() { done <- s.webhooks.Shutdown(ctx) })
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("requests were still in flight after shutdown.grace: %w", err)
		}
		s.log.Info("stopped")
		return nil
	case <-signals:
		cancel()
		return errSecondSignal
	}
}

// close stops the goroutines in the background and closes the listeners.
func (s *service) close() {
	s.stop()
	if s.endRequests != nil {
		s.endRequests()
	}
	if s.bindReadiness != nil {
		_ = s.bindReadiness.Close()
	}
	s.background.Wait()
	for _, l := range []net.Listener{s.webhookListen, s.operationsListen} {
		if l != nil {
			_ = l.Close() // closed already when it was served
		}
	}
}
