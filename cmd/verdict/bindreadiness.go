package main

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/handlers"
)

// serveBindReadiness serves /readyz on scheduling.bind.readinessAddress: it succeeds
// while this replica binds pods.
func (s *service) serveBindReadiness(ctx context.Context) error {
	address := s.config.Scheduling.Bind.ReadinessAddress
	watched := s.cluster.Load()
	if address == "" || watched == nil {
		return nil
	}
	listener, err := listen(ctx, address, "scheduling.bind.readinessAddress")
	if err != nil {
		return err
	}
	s.bindReadiness = s.newServer(handlers.NewReadiness(handlers.Check{
		Name: "bind", Ready: watched.Active,
		Detail: func() string { return "this replica binds pods" },
	}))
	s.background.Go(func() {
		if err := s.bindReadiness.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serving scheduling.bind.readinessAddress", zap.Error(err))
		}
	})
	return nil
}
