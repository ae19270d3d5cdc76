package main

import (
	"context"
	"errors"
	"fmt"
	"time"

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
		OnChange: s.nodesChanged.now,
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
	s.nodes.Store(watched)
	s.background.Go(func() { s.followNodes(ctx) })
	return watched, []handlers.Check{{Name: "nodes", Ready: watched.Ready, Detail: watched.Status}}, nil
}

// nodesResource is where policies find the nodes: data.cluster.nodes, by name.
const nodesResource = "nodes"

// clusterNodes is data.cluster.nodes as it is now; the zero Object before the
// nodes were read.
func (s *service) clusterNodes() policy.Object {
	watched := s.nodes.Load()
	if watched == nil || watched.Ready() != nil {
		return policy.Object{}
	}
	objects := map[string]policy.Object{}
	for name, node := range watched.All() {
		objects[name] = node.Object()
	}
	return policy.ObjectsByName(objects)
}

// betweenNodes is the least time between two changes of data.cluster.nodes: in
// a large cluster some node's status changes all the time, and each change ends
// the decisions that read the nodes.
const betweenNodes = 200 * time.Millisecond

// followNodes keeps data.cluster.nodes up to date, as long as a policy reads it.
func (s *service) followNodes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.nodesChanged:
		}
		switch {
		case s.nodes.Load().Ready() != nil:
			s.nodesChanged.now() // the last node of the first list comes before that
		case s.engine.ReadsCluster(nodesResource):
			s.engine.SetCluster(nodesResource, s.clusterNodes())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(betweenNodes):
		}
	}
}

// wakeup wakes whoever waits, once for any number of calls.
type wakeup chan struct{}

func newWakeup() wakeup { return make(wakeup, 1) }

func (w wakeup) now() {
	select {
	case w <- struct{}{}:
	default:
	}
}
