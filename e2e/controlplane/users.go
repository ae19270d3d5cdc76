package controlplane

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// User is a user with a token.
type User struct {
	Username  string
	UID       string
	Groups    []string
	Extra     map[string][]string
	Audiences []string
}

// AddUsers makes a token for each user with "verdict token new" and writes
// the token file that deploy/verdict/config.yaml names, in place of the one
// that was there. It returns the tokens by username.
func (c *ControlPlane) AddUsers(ctx context.Context, users ...User) (map[string]string, error) {
	tokens := map[string]string{}
	var file strings.Builder
	file.WriteString("tokens:\n")
	for _, user := range users {
		token, entry, err := c.newToken(ctx, user)
		if err != nil {
			return nil, fmt.Errorf("make a token for %s: %w", user.Username, err)
		}
		tokens[user.Username] = token
		file.WriteString(entry)
	}
	return tokens, writeFile(filepath.Join(c.VerdictDir(), "tokens.yaml"), file.String())
}

// newToken runs "verdict token new": a token on a line of its own, then its
// entry; the rest is comments.
func (c *ControlPlane) newToken(ctx context.Context, user User) (token, entry string, err error) {
	args := []string{"token", "new", "--username=" + user.Username}
	if user.UID != "" {
		args = append(args, "--uid="+user.UID)
	}
	for _, group := range user.Groups {
		args = append(args, "--group="+group)
	}
	for _, key := range slices.Sorted(maps.Keys(user.Extra)) {
		for _, value := range user.Extra[key] {
			args = append(args, "--extra="+key+"="+value)
		}
	}
	for _, audience := range user.Audiences {
		args = append(args, "--audience="+audience)
	}
	out, err := exec.CommandContext(ctx, c.verdictBinary, args...).Output()
	if err != nil {
		return "", "", fmt.Errorf("verdict token new: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.HasPrefix(line, "#"):
		case token == "":
			token = strings.TrimSpace(line)
		default:
			entry += line
		}
	}
	if token == "" || entry == "" {
		return "", "", fmt.Errorf("verdict token new did not print a token and its entry")
	}
	return token, entry, nil
}
