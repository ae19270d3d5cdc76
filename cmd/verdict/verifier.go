package main

import (
	"context"

	"github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/identity/revoked"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
)

// loadIdentities makes the sources of identities and the verifier that asks them.
func (s *service) loadIdentities(ctx context.Context, withExample bool) error {
	made, err := newIdentities(ctx, s.config, s.log, s.observer, sources.NewMetrics(s.registry))
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
		if err := made.add(ctx, "example", &tokenfile.Config{Path: prepared.tokenFile, Format: tokenfile.YAML}); err != nil {
			return err
		}
	}
	if err := s.followRevoked(made); err != nil {
		return err
	}
	for _, run := range made.run {
		s.background.Go(func() { run(ctx) })
	}
	chain := identity.NewChain(made.site.Metrics, made.sources...)
	chain.LimitTokens(int(s.config.Server.Limits.TokenBytes))
	s.verifier = identity.NewVerifier(chain, s.verifierOptions())
	s.identityDetails = made.details
	return nil
}

// followRevoked keeps data.revoked equal to the file.
func (s *service) followRevoked(made *identities) error {
	path := s.config.Authentication.RevokedFile
	if path == "" {
		return nil
	}
	revoked := revoked.New(path, s.engine.SetRevoked)
	if err := revoked.Load(); err != nil {
		return err
	}
	made.run = append(made.run, func(ctx context.Context) {
		revoked.Watch(ctx, func() { s.observer.fileReloaded("revoked", path, nil) }, func(err error) { s.observer.fileReloaded("revoked", path, err) })
	})
	made.details = append(made.details, revoked.Status)
	return nil
}

func (s *service) verifierOptions() identity.VerifierOptions {
	c := s.config
	options := identity.VerifierOptions{MaxVerifications: c.Server.MaxInFlight, Timeout: c.Server.Timeouts.Decision}
	if c.Cache.Enabled {
		options.TTL, options.RejectedTTL = c.Cache.IdentityTTL, c.Cache.RejectedTTL
		options.Budget = c.Cache.Budget()
	}
	return options
}
