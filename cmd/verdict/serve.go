package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/memlimit"
)

// serveFlags are the flags of `verdict serve`.
type serveFlags struct {
	config            string
	policies          []string
	address           string
	operationsAddress string
	allowStrangers    bool
}

func serveCommand() *cobra.Command {
	var flags serveFlags
	command := &cobra.Command{
		Use:   "serve",
		Short: "Answer webhooks",
		Long: `Answer webhooks. Without flags it serves the starter policies on a loopback
address, with a development certificate and an example user, and prints three
requests to try.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			configuration, err := flags.configuration()
			if err != nil {
				return usageError{err}
			}
			log, err := newLogger(configuration.Log)
			if err != nil {
				return usageError{err}
			}
			defer func() { _ = log.Sync() }() // standard error can't be synced everywhere
			log.Info("memory limit of the garbage collector", zap.String("limit", memlimit.Set()))

			// The first signal drains; the second stops at once, also while draining.
			signals := make(chan os.Signal, 2)
			signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
			defer signal.Stop(signals)

			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			s, err := newService(ctx, configuration, flags.config == "", log)
			if err != nil {
				return err
			}
			defer s.close()
			if err := s.announce(cmd.OutOrStdout()); err != nil {
				return err
			}
			return s.run(ctx, signals)
		},
	}
	set := command.Flags()
	set.StringVar(&flags.config, "config", "", "configuration file; 'verdict config default' prints one with every field")
	set.StringArrayVar(&flags.policies, "policy", nil, "folder of .rego, data.json and data.yaml files, instead of the starter policies (repeatable)")
	set.StringVar(&flags.address, "address", "", "where to answer webhooks, host:port; instead of server.address")
	set.StringVar(&flags.operationsAddress, "operations-address", "", "where to serve /livez, /readyz, /metrics and /version, host:port; instead of operations.address")
	set.BoolVar(&flags.allowStrangers, "allow-callers-without-client-certificate", false,
		"allow callers without a client certificate at an address that is not a loopback address: any caller can then guess tokens and learn what the cluster contains")
	return command
}

// configuration reads the file and puts the flags over it.
func (f serveFlags) configuration() (*config.Configuration, error) {
	c, err := policyConfiguration(f.config, f.policies)
	if c == nil {
		return nil, err
	}
	if f.address != "" {
		c.Server.Address = f.address
	}
	if f.operationsAddress != "" {
		c.Operations.Address = f.operationsAddress
	}
	return c, errors.Join(err, c.CheckExposure(f.allowStrangers))
}
