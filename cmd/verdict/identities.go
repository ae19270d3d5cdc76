package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/zapr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity/revoked"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	policyidentity "github.com/verdict-dev/verdict/policy/identity"
)

// identities are the configured sources, made and not yet running.
type identities struct {
	site    sources.Site
	sources []sources.Source
	// run keeps the sources up to date until their context is done.
	run []func(ctx context.Context)
	// details are lines for /readyz?verbose.
	details []func() string
}

// newIdentities makes every source of the configuration, and reads the files
// that they need. No other host is asked.
func newIdentities(ctx context.Context, c *config.Configuration, log *zap.Logger, o *observer, metrics *sources.Metrics) (*identities, error) {
	i := &identities{site: sources.Site{
		Metrics:  metrics,
		Log:      log,
		FileRead: o.fileReloaded,
		Secrets:  secretsOf(c.Cluster, log),
	}}
	var mistakes []error
	for at, source := range c.Authentication.Sources {
		if err := i.add(ctx, source.Name, source.Config); err != nil {
			mistakes = append(mistakes, fmt.Errorf("authentication.sources[%d]: %w", at, err))
		}
	}
	return i, errors.Join(mistakes...)
}

// checkIdentities says what is wrong with the sources that newIdentities finds.
func checkIdentities(ctx context.Context, c *config.Configuration) error {
	log := zap.NewNop()
	_, err := newIdentities(ctx, c, log, newObserver(log, prometheus.NewRegistry()), sources.NewMetrics(nil))
	if path := c.Authentication.RevokedFile; path != "" {
		err = errors.Join(err, revoked.New(path, func(*policyidentity.Revoked) {}).Load())
	}
	return err
}

// add makes one source.
func (i *identities) add(ctx context.Context, name string, source sources.Config) error {
	made, err := source.New(ctx, name, &i.site)
	if err != nil {
		return err
	}
	i.sources = append(i.sources, made.Source)
	i.run = append(i.run, made.Run...)
	i.details = append(i.details, made.Status...)
	return nil
}

// secretsOf follows the Secrets of a cluster.
func secretsOf(c config.Cluster, log *zap.Logger) func(namespace string, onError func(error)) (sources.SecretWatcher, error) {
	return func(namespace string, onError func(error)) (sources.SecretWatcher, error) {
		reach, err := cluster.ClientConfig(c.Kubeconfig, c.InCluster)
		if err != nil {
			return nil, err
		}
		watcher, err := cluster.NewSecrets(reach, namespace, cluster.Options{OnError: onError})
		if err != nil {
			return nil, err
		}
		return &loggedWatcher{watcher, log.Named("client-go").WithOptions(zap.IncreaseLevel(zap.WarnLevel))}, nil
	}
}

// loggedWatcher has client-go log to log.
type loggedWatcher struct {
	sources.SecretWatcher
	log *zap.Logger
}

// Run implements sources.SecretWatcher.
func (w *loggedWatcher) Run(ctx context.Context, receiver sources.SecretReceiver) {
	w.SecretWatcher.Run(klog.NewContext(ctx, zapr.NewLogger(w.log)), receiver)
}
