package main

import (
	"fmt"
	"runtime"

	opaversion "github.com/open-policy-agent/opa/v1/version"
	"github.com/spf13/cobra"
)

// versions is the content of /version and `verdict version`.
type versions struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	OPA      string `json:"opa"`
	Revision string `json:"policyRevision,omitempty"`
}

func currentVersions() versions {
	return versions{Version: version, Go: runtime.Version(), OPA: opaversion.Version}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := currentVersions()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "verdict %s (%s, OPA %s)\n", v.Version, v.Go, v.OPA)
			return err
		},
	}
}
