package tokenfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// tokenDocument is the token file.
type tokenDocument struct {
	Tokens []userlist.Entry `yaml:"tokens"`
}

// FormatEntry returns the entry as text to paste below `tokens:` in a token file,
// indented by two spaces. It is an error when the text would be refused there:
// an empty username, an empty group, text that is not UTF-8.
func FormatEntry(entry userlist.Entry) (string, error) {
	text, err := FormatFile(entry)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(string(text), "tokens:\n"), nil
}

// FormatFile returns a whole token file of the entries. It is an error when the
// file would be refused on reading.
func FormatFile(entries ...userlist.Entry) ([]byte, error) {
	if entries == nil {
		entries = []userlist.Entry{}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(tokenDocument{Tokens: entries}), encoder.Close()); err != nil {
		return nil, fmt.Errorf("writing token entries: %w", err)
	}
	if _, err := ParseTokens("token entries", out.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
