package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

func tokenCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "token",
		Short: "Make tokens for a token file, or for Secrets",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(tokenNewCommand())
	return command
}

// newToken holds the flags of `verdict token new`.
type newToken struct {
	entry   userlist.Entry
	extra   []string
	expires time.Duration
	secret  tokenSecret
}

func tokenNewCommand() *cobra.Command {
	var n newToken
	command := &cobra.Command{
		Use:   "new --username NAME",
		Short: "Print a new random token and the token file entry or Secret for it",
		Long: `Print a new random token, and its entry, which you paste below "tokens:" in a
token file. The entry holds only the SHA-256 of the token. The token is shown
only once and stored nowhere.

With --secret, print the manifest of a Secret instead of an entry. Only the
manifest goes to standard output, so that you can pipe it into
"kubectl apply --filename=-". The token goes to standard error.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := n.check(); err != nil {
				return usageError{err}
			}
			return n.print(cmd)
		},
	}
	flags := command.Flags()
	flags.StringVar(&n.entry.Username, "username", "", "the user's name")
	flags.StringVar(&n.entry.UID, "uid", "", "the user's uid")
	flags.StringArrayVar(&n.entry.Groups, "group", nil, "a group of the user (repeatable)")
	flags.StringArrayVar(&n.extra, "extra", nil, "key=value for the user's extra (repeatable)")
	flags.StringArrayVar(&n.entry.Audiences, "audience", nil, "an audience that the token is valid for (repeatable; without it there is no limit)")
	flags.DurationVar(&n.expires, "expires-in", 0, "how long the token is valid, such as 720h (default: forever)")
	flags.BoolVar(&n.secret.wanted, "secret", false, "print the manifest of a Secret, and the token on standard error")
	flags.StringVar(&n.secret.namespace, "namespace", "", "with --secret: the namespace that a source of the kind secrets reads")
	flags.StringVar(&n.secret.name, "name", "", "with --secret: the Secret's name (default: the username and random characters)")
	return command
}

// check completes the entry.
func (n *newToken) check() error {
	if n.entry.Username == "" {
		return errors.New("--username is missing: it names the user of the token")
	}
	if err := n.secret.check(); err != nil {
		return err
	}
	var err error
	if n.entry.Extra, err = extraOf(n.extra); err != nil {
		return err
	}
	if n.expires < 0 {
		return errors.New("--expires-in: must be a positive duration such as 720h")
	}
	if n.expires > 0 {
		n.entry.Expires = time.Now().Add(n.expires).UTC().Truncate(time.Second)
	}
	return nil
}

// print makes the token, and prints it with its entry or Secret.
func (n *newToken) print(cmd *cobra.Command) error {
	token, err := sources.NewToken()
	if err != nil {
		return err
	}
	n.entry.SHA256 = userlist.NewEntry(token, n.entry.Username).SHA256
	if n.secret.wanted {
		return n.secret.print(cmd, token, n.entry)
	}
	text, err := tokenfile.FormatEntry(n.entry)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "# The token, which is shown only once:\n%s\n# Its entry, to paste below \"tokens:\" in the token file:\n%s", token, text)
	return err
}

func extraOf(pairs []string) (map[string][]string, error) {
	var out map[string][]string
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--extra %q: must be key=value", pair)
		}
		if out == nil {
			out = map[string][]string{}
		}
		out[key] = append(out[key], value)
	}
	return out, nil
}
