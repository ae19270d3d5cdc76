package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/source"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	builtin "github.com/verdict-dev/verdict/rego"
)

// loadPolicies compiles the policies, and starts to follow changes of their folders.
func (s *service) loadPolicies(ctx context.Context) error {
	c := s.config
	options := policyOptions(c)
	options.Cluster = map[string]func() document.Decoded{nodesResource: s.clusterNodes}
	s.observer.loaded = s.revisionLoaded
	s.engine = policy.NewEngine(options, s.observer)
	s.observer.watchLoading(s.registry, s.engine.Loading)
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
		return fmt.Errorf("cannot start with these policies:\n%w", err)
	}
	s.background.Go(func() {
		directory.Watch(ctx, func(content policy.Content) {
			// The observer reports the outcome. A newer change does not wait for it.
			s.engine.Begin(ctx, content)
		}, s.engine.Refuse)
	})
	return nil
}

// policyOptions are the settings of the configuration for the engine.
func policyOptions(c *config.Configuration) policy.Options {
	budget := c.Cache.Budget()
	return policy.Options{
		Cache:              policy.CacheOptions{Bytes: budget.Bytes, Entries: budget.Entries, Lifetimes: c.Cache.Lifetimes},
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
		Entries:            c.Entries(),
	}
}

// compilePolicies compiles the policies that `verdict serve` would use with this
// configuration.
func compilePolicies(ctx context.Context, c *config.Configuration) (*policy.Revision, error) {
	content := builtin.Starter()
	if len(c.Policy.Directories) > 0 {
		var err error
		if content, err = source.NewDirectory(c.Policy.Directories).Read(); err != nil {
			return nil, fmt.Errorf("reading policies: %w", err)
		}
	}
	return policy.Compile(ctx, content, policyOptions(c))
}

// policyConfiguration reads the file, if there is one, and puts the folders of
// --policy over it. With an error about the folders it still returns a configuration.
func policyConfiguration(file string, directories []string) (*config.Configuration, error) {
	c := config.Default()
	if file != "" {
		var err error
		if c, err = config.Load(file); err != nil {
			return nil, err
		}
	}
	if len(directories) > 0 {
		c.Policy.Directories = directories
	}
	var mistakes []error
	for _, dir := range directories {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			mistakes = append(mistakes, fmt.Errorf("--policy: the folder %s does not exist", dir))
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("--policy: %w", err))
		case !info.IsDir():
			mistakes = append(mistakes, fmt.Errorf("--policy: %s is a file; name its folder", dir))
		}
	}
	return c, errors.Join(mistakes...)
}
