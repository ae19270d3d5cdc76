package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/certs"
	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/source"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
	builtin "github.com/verdict-dev/verdict/rego"
)

// service is everything `verdict serve` runs.
type service struct {
	config   *config.Configuration
	log      *zap.Logger
	observer *observer
	engine   *policy.Engine
	verifier *identity.Verifier
	// identityDetails are lines for /readyz?verbose about the sources.
	identityDetails []func() string
	stopping        atomic.Bool

	// cluster is what is known of it, nil without one.
	cluster       atomic.Pointer[cluster.State]
	nodesChanged  wakeup
	bindReadiness *http.Server // nil without scheduling.bind.readinessAddress

	webhooks                        webhookServer
	operations                      *http.Server
	webhookListen, operationsListen net.Listener

	caFile  string   // the development CA; "" with a certificate of the user's own
	example *example // nil with a configuration file

	// endRequests ends the deciding of what is in flight: it is answered then.
	endRequests context.CancelFunc

	// background watches files and the cluster until stop is called.
	background sync.WaitGroup
	stop       context.CancelFunc
}

// newService reads everything once, starts watching it, and takes the ports.
// withExample adds the example user.
func newService(ctx context.Context, c *config.Configuration, withExample bool, log *zap.Logger) (*service, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &service{config: c, log: log, observer: newObserver(log, registry), nodesChanged: newWakeup()}
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.prepare(ctx, registry, withExample); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *service) prepare(ctx context.Context, registry *prometheus.Registry, withExample bool) error {
	if err := s.loadPolicies(ctx, registry); err != nil {
		return err
	}
	if err := s.loadIdentities(ctx, registry, withExample); err != nil {
		return err
	}
	clusterChecks, err := s.watchCluster(ctx, registry)
	if err != nil {
		return err
	}
	files, err := s.certificates(ctx)
	if err != nil {
		return err
	}
	c := s.config
	options := handlers.Options{
		Revisions:         s.engine,
		Verifier:          s.verifier,
		Profiles:          c.Scheduling.Profiles,
		PodState:          cluster.PodStateReader(c.Scheduling.PodAnnotations),
		Metrics:           handlers.NewMetrics(registry),
		Log:               s.log,
		Audiences:         c.Authentication.Audiences,
		OnError:           handlers.OnError(c.Authorization.OnError),
		OnUnavailable:     handlers.OnUnavailable(c.Authorization.OnUnavailable),
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
		options.Metrics.WatchAssumed(watched.AssumedPods)
	}
	options.Cache = budget(c)
	options.Metrics.WatchEvaluations(s.engine.Evaluations)
	for _, caches := range []map[cache.Name]func() cache.Stats{s.engine.CacheStats(), s.verifier.CacheStats()} {
		for name, stats := range caches {
			options.Metrics.WatchCache(name, stats)
		}
	}
	if c.Server.TLS.ClientCAFile != "" {
		options.PeerNames = certs.PeerNames
		options.Callers = map[handlers.Point][]string{
			handlers.Authentication: c.Server.Callers.Authentication,
			handlers.Authorization:  c.Server.Callers.Authorization,
			handlers.Scheduling:     c.Server.Callers.Scheduling,
		}
	}
	errorLog, err := zap.NewStdLogAt(s.log.Named("http"), zap.WarnLevel)
	if err != nil {
		return err
	}
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	s.endRequests = endRequests
	webhooks := handlers.New(options)
	s.webhooks = s.newWebhookServer(files, func() *http.Server {
		return &http.Server{
			BaseContext:       func(net.Listener) context.Context { return requests },
			Handler:           webhooks,
			ReadHeaderTimeout: c.Server.Timeouts.ReadHeader,
			ReadTimeout:       c.Server.Timeouts.Read,
			WriteTimeout:      c.Server.Timeouts.Write,
			IdleTimeout:       c.Server.Timeouts.Idle,
			MaxHeaderBytes:    int(c.Server.Limits.HeaderBytes),
			ErrorLog:          errorLog,
		}
	})
	s.operations = &http.Server{
		Handler: handlers.NewOperations(handlers.OperationsOptions{
			Checks:  append(s.checks(), clusterChecks...),
			Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
			Version: func() any {
				v := currentVersions()
				v.Revision = s.engine.Revision().ID()
				return v
			},
		}),
		ReadHeaderTimeout: c.Server.Timeouts.ReadHeader,
		ReadTimeout:       c.Server.Timeouts.Read,
		WriteTimeout:      c.Server.Timeouts.Write,
		IdleTimeout:       c.Server.Timeouts.Idle,
		ErrorLog:          errorLog,
	}
	if s.webhookListen, err = listen(ctx, c.Server.Address, "server.address or --address"); err != nil {
		return err
	}
	if s.operationsListen, err = listen(ctx, c.Operations.Address, "operations.address or --operations-address"); err != nil {
		return err
	}
	return s.serveBindReadiness(ctx)
}

func listen(ctx context.Context, address, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with %s", err, setting)
	}
	return l, nil
}

// budget is what all caches together may take.
func budget(c *config.Configuration) cache.Budget {
	if !c.Cache.Enabled {
		return cache.Budget{}
	}
	return cache.Budget{Bytes: c.Cache.MaxBytes, Entries: c.Cache.MaxEntries}
}

func (s *service) loadPolicies(ctx context.Context, registry *prometheus.Registry) error {
	c := s.config
	options := policyOptions(c)
	options.Cluster = map[string]func() policy.Object{nodesResource: s.clusterNodes}
	s.observer.loaded = s.revisionLoaded
	s.engine = policy.NewEngine(options, s.observer)
	s.observer.watchLoading(registry, s.engine.Loading)
	s.background.Go(func() {
		s.engine.Recheck(ctx, policy.RecheckInterval, s.observer.rechecked, s.observer.disagreed)
	})
	if len(c.Policy.Directories) == 0 {
		return s.engine.Load(ctx, builtin.Starter())
	}
	directory := source.NewDirectory(c.Policy.Directories)
	content, err := directory.Read()
	if err != nil {
		return fmt.Errorf("reading policies: %w", err)
	}
	if err := s.engine.Load(ctx, content); err != nil {
		return fmt.Errorf("no policy to start with:\n%w", err)
	}
	s.background.Go(func() {
		directory.Watch(ctx, func(content policy.Content) {
			// The observer reports the outcome. A newer change does not wait for it.
			s.engine.Begin(ctx, content)
		}, s.engine.Refuse)
	})
	return nil
}

func policyOptions(c *config.Configuration) policy.Options {
	all := budget(c)
	return policy.Options{
		Cache:              policy.CacheOptions{Bytes: all.Bytes, Entries: all.Entries, Lifetimes: policy.Lifetimes(c.Cache.Lifetimes)},
		MaxEvaluations:     c.Server.MaxInFlight,
		EvaluationTimeout:  max(c.Server.Timeouts.Decision, c.Scheduling.Timeout),
		PodAnnotations:     append([]string{}, c.Scheduling.PodAnnotations...),
		InterpreterOnly:    c.Policy.Evaluator == config.PolicyEvaluatorInterpreter,
		LoadTimeout:        c.Policy.LoadTimeout,
		Library:            builtin.Library(),
		AllowedHosts:       c.Policy.AllowedHosts,
		AllowedFolders:     c.Policy.AllowedFolders,
		AllowedSystemNames: c.Authentication.AllowedSystemNames,
		AllowedExtraKeys:   c.Authentication.AllowedExtraKeys,
		Entries: policy.Entries{
			AuthenticationUser:     c.Authentication.Entry.User,
			AuthenticationDeny:     c.Authentication.Entry.Deny,
			AuthorizationAllow:     c.Authorization.Entry.Allow,
			AuthorizationDeny:      c.Authorization.Entry.Deny,
			SchedulingReject:       c.Scheduling.Entry.Reject,
			SchedulingUnresolvable: c.Scheduling.Entry.Unresolvable,
			SchedulingScore:        c.Scheduling.Entry.Score,
			SchedulingProtect:      c.Scheduling.Entry.Protect,
			SchedulingBindDeny:     c.Scheduling.Entry.Deny,
			SchedulingBindAnnotate: c.Scheduling.Entry.Annotate,
			Profiles:               c.Scheduling.Profiles,
		},
	}
}

func (s *service) loadIdentities(ctx context.Context, registry *prometheus.Registry, withExample bool) error {
	made, err := newIdentities(ctx, s.config, s.log, s.observer, identity.NewMetrics(registry))
	if err != nil {
		return err
	}
	if withExample {
		dir, err := developmentDir()
		if err != nil {
			return err
		}
		prepared, err := prepareExample(dir)
		if err != nil {
			return err
		}
		s.example = &prepared
		if err := made.addTokenFile("example", prepared.tokenFile, identity.TokenFileYAML); err != nil {
			return err
		}
	}
	if err := s.followRevoked(made); err != nil {
		return err
	}
	for _, run := range made.run {
		s.background.Go(func() { run(ctx) })
	}
	chain := identity.NewChain(made.metrics, made.sources...)
	chain.LimitTokens(int(s.config.Server.Limits.TokenBytes))
	s.verifier = identity.NewVerifier(chain, s.verifierOptions())
	s.identityDetails = made.details
	return nil
}

// followRevoked keeps data.revoked as the file says.
func (s *service) followRevoked(made *identities) error {
	path := s.config.Authentication.RevokedFile
	if path == "" {
		return nil
	}
	revoked := identity.NewRevokedFile(path, s.engine.SetRevoked)
	if err := revoked.Load(); err != nil {
		return err
	}
	made.run = append(made.run, func(ctx context.Context) {
		revoked.Watch(ctx, made.reloaded("revoked", path), made.refused("revoked", path))
	})
	made.details = append(made.details, revoked.Status)
	return nil
}

func (s *service) verifierOptions() identity.VerifierOptions {
	c := s.config
	options := identity.VerifierOptions{MaxVerifications: c.Server.MaxInFlight, Timeout: c.Server.Timeouts.Decision}
	if c.Cache.Enabled {
		options.TTL, options.RejectedTTL = c.Cache.IdentityTTL, c.Cache.RejectedTTL
		options.Budget = budget(c)
	}
	return options
}

// checks are what readiness depends on; the cluster's come on top.
func (s *service) checks() []handlers.Check {
	return []handlers.Check{
		{
			Name: "shutdown",
			Ready: func() error {
				if s.stopping.Load() {
					return errors.New("shutting down")
				}
				return nil
			},
		},
		{
			Name: "policy",
			Ready: func() error {
				if s.engine.Revision() == nil {
					return policy.ErrNoRevision
				}
				return nil
			},
			Detail: func() string {
				details := []string{"revision " + s.engine.Revision().ID()}
				for _, load := range s.engine.Loading() {
					details = append(details, load.String())
				}
				if fault := s.engine.Fault(); fault != nil {
					details = append(details, fmt.Sprintf("the newest change was refused at %s:\n%v", fault.Time.UTC().Format(time.RFC3339), fault.Err))
				}
				return strings.Join(details, "\n")
			},
		},
		{
			Name:  "identity",
			Ready: s.verifier.Ready,
			Detail: func() string {
				var details []string
				for _, detail := range s.identityDetails {
					if text := detail(); text != "" {
						details = append(details, text)
					}
				}
				return strings.Join(details, "\n")
			},
		},
	}
}

// announce prints where the service listens, and what to try.
func (s *service) announce(w io.Writer) error {
	scheme := "https"
	if s.config.Server.PlainHTTP {
		scheme = "http"
	}
	base := scheme + "://" + reachable(s.webhookListen.Addr())
	_, err := fmt.Fprintf(w, "webhooks:   %s\noperations: http://%s/readyz?verbose\n", base, reachable(s.operationsListen.Addr()))
	if s.caFile != "" {
		_, err = fmt.Fprintf(w, "CA file:    %s\n", s.caFile)
	}
	_, err2 := fmt.Fprintf(w, "policy:     revision %s\n", s.engine.Revision().ID())
	if err = errors.Join(err, err2); err != nil || s.example == nil || s.caFile == "" {
		return err
	}
	_, err = fmt.Fprintf(w, "\nWho is this? May they? Where may it run?\n%s\n%s\n%s\n",
		curl(s.caFile, s.example.tokenReview, base+"/authenticate"),
		curl(s.caFile, s.example.accessReview, base+"/authorize"),
		curl(s.caFile, s.example.filterCall, base+"/scheduler/filter"))
	return err
}

// reachable is an address that a caller on this machine can use and the
// development certificate covers, also where every interface is listened on.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
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

// answeringTime is left at the end of grace for answers to go out, and for the
// server, which looks twice a second, to see that they did.
const answeringTime = 2 * time.Second

// finish lets requests in flight end, new connections having been refused.
func (s *service) finish(ctx context.Context, signals <-chan os.Signal) error {
	s.log.Info("finishing the requests in flight", zap.Duration("grace", s.config.Shutdown.Grace))
	ctx, cancel := context.WithTimeout(ctx, s.config.Shutdown.Grace)
	defer cancel()
	// What is still being decided near the end is answered that there was no
	// time: apiserver's clients repeat a request whose connection was reset.
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

// close stops what runs in the background and gives the ports back.
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
