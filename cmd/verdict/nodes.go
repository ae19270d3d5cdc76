package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// watchNodes starts the node informer when a cluster is configured; nil nodes
// otherwise.
func (s *service) watchNodes(ctx context.Context) (scheduling.Nodes, []handlers.Check, error) {
	c := s.config.Cluster
	if c.Kubeconfig == "" && !c.InCluster {
		return nil, nil, nil
	}
	config, err := cluster.ClientConfig(c.Kubeconfig, c.InCluster)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	watched, err := cluster.NewNodes(config, policy.NewNode, cluster.Options{
		OnError: func(err error) {
			if !errors.Is(err, context.Canceled) {
				s.log.Warn("watching the cluster's nodes", zap.Error(err))
			}
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	ctx = klog.NewContext(ctx, zapr.NewLogger(s.log.Named("client-go").WithOptions(zap.IncreaseLevel(zap.WarnLevel))))
	s.background.Go(func() { watched.Run(ctx) })
	return watched, []handlers.Check{{Name: "nodes", Ready: watched.Ready, Detail: watched.Status}}, nil
}
