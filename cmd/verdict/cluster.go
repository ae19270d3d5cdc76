package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"k8s.io/klog/v2"

	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/policy/document"
)

// watchCluster starts to follow the cluster's nodes, and its pods where a policy
// reads them, when a cluster is configured.
func (s *service) watchCluster(ctx context.Context) error {
	c := s.config
	if c.Cluster.Kubeconfig == "" && !c.Cluster.InCluster {
		return nil
	}
	config, err := cluster.ClientConfig(c.Cluster.Kubeconfig, c.Cluster.InCluster)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	watched, err := cluster.NewState(config, cluster.StateOptions{
		Reads:    s.engine.ReadsState,
		Classify: s.engine.Classify,
		OnNodes:  s.nodesChanged.now,
		OnError: func(err error) {
			if !errors.Is(err, context.Canceled) {
				s.log.Warn("following the cluster", zap.Error(err))
			}
		},
		OnHolder: func(identity string) {
			s.log.Info("the replica that binds pods was elected", zap.String("identity", identity))
		},
		PodAnnotations: c.Scheduling.PodAnnotations,
		Bind:           c.Scheduling.Bind.Enabled,
		Lease:          cluster.LeaseOptions{Namespace: c.Scheduling.Bind.Lease.Namespace, Name: c.Scheduling.Bind.Lease.Name},
		MaxStaleness:   c.Cluster.MaxStaleness,
		Registerer:     s.registry,
	})
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	ctx = klog.NewContext(ctx, zapr.NewLogger(s.log.Named("client-go").WithOptions(zap.IncreaseLevel(zap.WarnLevel))))
	s.cluster.Store(watched)
	s.background.Go(func() { watched.Run(ctx) })
	s.background.Go(func() { s.followNodes(ctx) })
	return nil
}

// revisionLoaded makes the watches of the cluster read what the new revision reads.
func (s *service) revisionLoaded() {
	// Nodes may have changed while the revision was compiled.
	s.nodesChanged.now()
	if watched := s.cluster.Load(); watched != nil {
		watched.Reload()
	}
}

// resign lets another replica bind pods, while this one drains.
func (s *service) resign(ctx context.Context) {
	if watched := s.cluster.Load(); watched != nil {
		s.background.Go(func() { watched.Resign(ctx) })
	}
}

// nodesResource is where policies find the nodes: data.cluster.nodes, by name.
const nodesResource = "nodes"

// clusterNodes is data.cluster.nodes as it is now; the zero Object before the
// nodes were read.
func (s *service) clusterNodes() document.Decoded {
	watched := s.cluster.Load()
	if watched == nil || watched.NodesReady() != nil {
		return document.Decoded{}
	}
	objects := map[string]document.Decoded{}
	for name, node := range watched.Objects() {
		objects[name] = node.Decoded()
	}
	return document.DecodedByName(objects)
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
		case s.cluster.Load().NodesReady() != nil:
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

// wakeup wakes the goroutine that waits, once for any number of calls.
type wakeup chan struct{}

func newWakeup() wakeup { return make(wakeup, 1) }

func (w wakeup) now() {
	select {
	case w <- struct{}{}:
	default:
	}
}
