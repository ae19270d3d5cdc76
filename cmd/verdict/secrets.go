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

// addSecrets adds a source that follows the cluster's Secrets.
func (i *identities) addSecrets(name string, c *config.Secrets) error {
	reach, err := cluster.ClientConfig(i.config.Cluster.Kubeconfig, i.config.Cluster.InCluster)
	if err != nil {
		return fmt.Errorf("identity source %s: %w", name, err)
	}
	watcher, err := cluster.NewSecrets(reach, c.Namespace, cluster.Options{
		OnError: func(err error) {
			if !errors.Is(err, context.Canceled) {
				i.log.Warn("watching the cluster's Secrets", zap.String("source", name), zap.Error(err))
			}
		},
	})
	if err != nil {
		return fmt.Errorf("identity source %s: %w", name, err)
	}
	secrets, err := identity.NewSecrets(name, watcher, identity.SecretsOptions{
		GroupPrefixes:    c.GroupPrefixes,
		UsernamePrefixes: c.UsernamePrefixes,
		OnRefused:        func(err error) { i.log.Warn("Secret refused", zap.Error(err)) },
		Metrics:          i.metrics,
	})
	if err != nil {
		return err
	}
	i.sources = append(i.sources, secrets)
	i.run = append(i.run, func(ctx context.Context) {
		secrets.Run(klog.NewContext(ctx, zapr.NewLogger(i.log.Named("client-go").WithOptions(zap.IncreaseLevel(zap.WarnLevel)))))
	})
	i.details = append(i.details, secrets.Status)
	return nil
}
