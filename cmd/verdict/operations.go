package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
)

// prepareOperations makes the server for /livez, /readyz, /metrics and /version, and
// listens on operations.address.
func (s *service) prepareOperations(ctx context.Context) error {
	s.operations = s.newServer(handlers.NewOperations(handlers.OperationsOptions{
		Checks:  s.checks(),
		Metrics: promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}),
		Version: func() any {
			v := currentVersions()
			v.Revision = s.engine.Revision().ID()
			return v
		},
	}))
	var err error
	s.operationsListen, err = listen(ctx, s.config.Operations.Address, "operations.address or --operations-address")
	return err
}

// checks are the parts on which readiness depends.
func (s *service) checks() []handlers.Check {
	checks := []handlers.Check{
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
	if watched := s.cluster.Load(); watched != nil {
		checks = append(checks,
			handlers.Check{Name: "nodes", Ready: watched.NodesReady, Detail: watched.NodesStatus},
			handlers.Check{Name: "pods", Ready: watched.PodsReady, Detail: watched.PodsStatus})
	}
	return checks
}
