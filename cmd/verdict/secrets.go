package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity"
)

// watchSecrets returns the source of that name, which follows the cluster's
// Secrets until ctx is done.
func (s *service) watchSecrets(ctx context.Context, name string, c *config.Secrets, metrics *identity.Metrics) (identity.Source, error) {
	reach, err := cluster.ClientConfig(s.config.Cluster.Kubeconfig, s.config.Cluster.InCluster)
	if err != nil {
		return nil, fmt.Errorf("identity source %s: %w", name, err)
	}
	watcher, err := cluster.NewSecrets(reach, c.Namespace, cluster.Options{
		OnError: func(err error) {
			if !errors.Is(err, context.Canceled) {
				s.log.Warn("watching the cluster's Secrets", zap.String("source", name), zap.Error(err))
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("identity source %s: %w", name, err)
	}
	secrets, err := identity.NewSecrets(name, watcher, identity.SecretsOptions{
		GroupPrefixes:    c.GroupPrefixes,
		UsernamePrefixes: c.UsernamePrefixes,
		OnRefused:        func(err error) { s.log.Warn("Secret refused", zap.Error(err)) },
		Metrics:          metrics,
	})
	if err != nil {
		return nil, err
	}
	ctx = klog.NewContext(ctx, zapr.NewLogger(s.log.Named("client-go").WithOptions(zap.IncreaseLevel(zap.WarnLevel))))
	s.background.Go(func() { secrets.Run(ctx) })
	s.secrets = append(s.secrets, secrets)
	return secrets, nil
}
