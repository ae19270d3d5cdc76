package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-dev/verdict/internal/importer"
)

func importCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "import",
		Short: "Write a configuration and policies from those of other programs",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(importAuthenticationCommand())
	return command
}

// maxImportBytes bounds the file that is imported; kube-apiserver's own tests have
// some of a few kilobytes.
const maxImportBytes = 4 << 20

func importAuthenticationCommand() *cobra.Command {
	var output string
	var overwrite bool
	var own []string
	command := &cobra.Command{
		Use:   "authentication-configuration FILE",
		Short: "Import kube-apiserver's AuthenticationConfiguration",
		Long: `Import kube-apiserver's AuthenticationConfiguration.

Writes Verdict's configuration (verdict.yaml) and, below policies/, Rego that maps the
claims to users as kube-apiserver does. FILE is the file of kube-apiserver's flag
--authentication-config; - reads standard input. A setting that cannot be imported is
an error with its place, and then nothing is written. Warnings name the settings for
which Verdict behaves differently.`,
		Example: `  verdict import authentication-configuration authentication.yaml
  verdict import authentication-configuration authentication.yaml --output imported
  verdict config check imported/verdict.yaml`,
		Args: oneArgument("the file that kube-apiserver reads, or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := importFile(cmd.InOrStdin(), args[0], own)
			if err != nil {
				return usageError{err}
			}
			for _, warning := range result.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+warning)
			}
			if output == "" {
				return printFiles(cmd.OutOrStdout(), result.Files)
			}
			return writeFiles(cmd.ErrOrStderr(), output, result.Files, overwrite)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "the folder to write into; without it everything is printed")
	command.Flags().BoolVar(&overwrite, "overwrite", false, "replace existing files")
	command.Flags().StringArrayVar(&own, "service-account-issuer", nil, "an issuer in kube-apiserver's flag of the same name, which no jwt entry may use (repeatable)")
	return command
}

func importFile(stdin io.Reader, name string, own []string) (*importer.Result, error) {
	var text []byte
	var err error
	if name == "-" {
		name = "standard input"
		text, err = io.ReadAll(io.LimitReader(stdin, maxImportBytes+1))
	} else {
		var file *os.File
		if file, err = os.Open(name); err != nil {
			return nil, err
		}
		defer file.Close()
		text, err = io.ReadAll(io.LimitReader(file, maxImportBytes+1))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxImportBytes {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxImportBytes>>20)
	}
	result, err := importer.AuthenticationConfiguration(filepath.Base(name), text, own...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return result, nil
}

// printFiles prints each file after a comment that names it.
func printFiles(out io.Writer, files []importer.File) error {
	for i, file := range files {
		separator := ""
		if i > 0 {
			separator = "\n"
		}
		if _, err := fmt.Fprintf(out, "%s# file: %s\n%s", separator, file.Name, file.Text); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes all files below dir, or none when one of them is there.
func writeFiles(out io.Writer, dir string, files []importer.File, overwrite bool) error {
	var there []string
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Name))
		if _, err := os.Lstat(name); err == nil {
			there = append(there, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(there) > 0 && !overwrite {
		return usageError{fmt.Errorf("%s: choose another folder for --output, or add --overwrite", alreadyExist(there))}
	}
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // no secrets are written
			return err
		}
		if err := os.WriteFile(name, []byte(file.Text), 0o644); err != nil { //nolint:gosec // no secrets are written
			return err
		}
		fmt.Fprintln(out, "wrote "+name)
	}
	return nil
}

func alreadyExist(names []string) string {
	if len(names) == 1 {
		return names[0] + " already exists"
	}
	return strings.Join(names, ", ") + " already exist"
}
