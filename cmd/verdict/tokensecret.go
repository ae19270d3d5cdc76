package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/verdict-dev/verdict/internal/identity/secrets"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// tokenSecret is the Secret that `verdict token new --secret` prints.
type tokenSecret struct {
	wanted          bool
	namespace, name string
}

func (s *tokenSecret) check() error {
	if !s.wanted {
		if s.namespace != "" || s.name != "" {
			return errors.New("--namespace and --name are for a Secret: add --secret")
		}
		return nil
	}
	if s.namespace == "" {
		return errors.New("--namespace is missing: it names the namespace that the source reads")
	}
	if problems := validation.IsDNS1123Label(s.namespace); len(problems) > 0 {
		return fmt.Errorf("--namespace %q: %s", s.namespace, strings.Join(problems, "; "))
	}
	if s.name == "" {
		return nil
	}
	if problems := validation.IsDNS1123Subdomain(s.name); len(problems) > 0 {
		return fmt.Errorf("--name %q: %s", s.name, strings.Join(problems, "; "))
	}
	return nil
}

// print writes the manifest to the standard output, which can be a pipe to kubectl,
// and the token to the standard error, for a person to read.
func (s *tokenSecret) print(cmd *cobra.Command, token string, entry userlist.Entry) error {
	name := s.name
	if name == "" {
		name = secrets.NewName(entry.Username)
	}
	manifest, err := secrets.Manifest(entry, s.namespace, name)
	if err != nil {
		return usageError{err}
	}
	if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "# The token, which is shown only once:\n%s\n", token); err != nil {
		return err
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), manifest)
	return err
}
