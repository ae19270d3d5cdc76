package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/verdict-dev/verdict/internal/config"
)

func configCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Print or check configurations",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(&cobra.Command{
		Use:   "default",
		Short: "Print the whole default configuration, with comments",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.DefaultYAML())
			return err
		},
	}, &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and its policies, and report all mistakes",
		Long: `Check a configuration file and report all mistakes in it, then read the files of
the identity sources and compile the policies as serve does. Warnings go to
standard error. They are about the policies, and about identity sources with
tokens to which no rule can give a username.`,
		Args: oneArgument("the configuration file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err == nil {
				err = c.CheckExposure(false)
			}
			if err == nil {
				err = checkIdentities(cmd.Context(), c)
			}
			if err != nil {
				return usageError{err}
			}
			warnings, err := checkPolicies(cmd.Context(), c)
			if err != nil {
				return usageError{err}
			}
			for _, warning := range warnings {
				if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+warning); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", args[0])
			return err
		},
	})
	return command
}

// checkPolicies compiles the policies as serve does, and returns warnings about them
// and about the configuration together with them.
func checkPolicies(ctx context.Context, c *config.Configuration) ([]string, error) {
	revision, err := compilePolicies(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("policies:\n%w", err)
	}
	var warnings []string
	for _, problem := range revision.Warnings() {
		warnings = append(warnings, problem.String())
	}
	for at, source := range c.Authentication.Sources {
		if !revision.CanName(ctx, source.Name, source.Kind) {
			warnings = append(warnings, fmt.Sprintf("authentication.sources[%d]: %s", at, revision.NameProblem(source.Name, source.Kind)))
		}
	}
	return warnings, nil
}
