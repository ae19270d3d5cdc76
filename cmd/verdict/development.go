package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// exampleUser is a user in the data of the starter policies.
const (
	exampleUser  = "alice"
	exampleGroup = "team-payments"
)

// developmentDir is where the development certificate and the example user's
// token are stored, in files of mode 0600 that only this user can read.
func developmentDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder for the development certificate: %w; set server.tls.certFile and keyFile in a configuration, or XDG_CACHE_HOME", err)
	}
	return filepath.Join(cache, "verdict"), nil
}

// example are the files that serve writes for its user to try.
type example struct {
	tokenFile                             string
	tokenReview, accessReview, filterCall string // files with request bodies
}

// prepareExample makes the example user's token once and writes the bodies of
// the requests that `verdict serve` prints. The token is in two of the files
// and nowhere else.
func prepareExample(dir string) (example, error) {
	e := example{
		tokenFile:    filepath.Join(dir, "tokens.yaml"),
		tokenReview:  filepath.Join(dir, "tokenreview.json"),
		accessReview: filepath.Join(dir, "subjectaccessreview.json"),
		filterCall:   filepath.Join(dir, "filter.json"),
	}
	token, err := exampleToken(filepath.Join(dir, exampleUser+".token"))
	if err != nil {
		return e, err
	}
	entry := userlist.NewEntry(token, exampleUser)
	entry.UID = "1001"
	entry.Groups = []string{exampleGroup}
	entry.Extra = map[string][]string{"department": {"payments"}}
	tokens, err := tokenfile.FormatFile(entry)
	if err != nil {
		return e, err
	}
	if err := writePrivate(e.tokenFile, tokens); err != nil {
		return e, err
	}
	for file, body := range map[string]any{
		e.tokenReview: object{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"spec": object{"token": token},
		},
		e.accessReview: object{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
			"spec": object{
				"user": exampleUser, "groups": []string{exampleGroup, "system:authenticated"},
				"resourceAttributes": object{"namespace": "payments", "verb": "list", "version": "v1", "resource": "pods"},
			},
		},
		e.filterCall: object{
			"Pod": object{"metadata": object{
				"name": "checkout", "namespace": "payments",
				"annotations": object{"verdict.dev/tenant": "payments"},
			}},
			"Nodes": object{"items": []object{
				{"metadata": object{"name": "node-payments", "labels": object{"verdict.dev/tenant": "payments"}}},
				{"metadata": object{"name": "node-search", "labels": object{"verdict.dev/tenant": "search"}}},
			}},
			"NodeNames": nil,
		},
	} {
		text, err := json.MarshalIndent(body, "", "  ")
		if err != nil {
			return e, fmt.Errorf("encoding %s: %w", file, err)
		}
		if err := writePrivate(file, append(text, '\n')); err != nil {
			return e, err
		}
	}
	return e, nil
}

type object map[string]any

func exampleToken(file string) (string, error) {
	content, err := os.ReadFile(file)
	if token := strings.TrimSpace(string(content)); err == nil && token != "" {
		return token, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the example user's token: %w", err)
	}
	token, err := sources.NewToken()
	if err != nil {
		return "", err
	}
	return token, writePrivate(file, []byte(token+"\n"))
}

// writePrivate replaces file in one step, readable by this user alone.
func writePrivate(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	// CreateTemp makes files of mode 0600.
	temp, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", file, err), os.Remove(temp.Name()))
	}
	return nil
}

// curl is the command that sends body to url, for a shell to take as it is.
func curl(caFile, body, url string) string {
	return strings.Join([]string{
		"curl", "--silent", "--show-error", "--cacert", shellQuote(caFile),
		"--header", "'Content-Type: application/json'", "--data", shellQuote("@" + body), url,
	}, " ")
}

// shellQuote quotes s for a POSIX shell where it needs to be.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./-_", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
