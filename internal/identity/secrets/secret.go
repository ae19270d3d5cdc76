package secrets

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// parseTokenSecret reads what a TokenSecret holds, strictly. The error is one
// line that says everything that is wrong, without any of the values.
func parseTokenSecret(data map[string][]byte) (userlist.Entry, error) {
	p := secretParser{data: data}
	entry := p.entry()
	if len(p.problems) > 0 {
		return userlist.Entry{}, errors.New(strings.Join(p.problems, "; "))
	}
	return entry, nil
}

type secretParser struct {
	data     map[string][]byte
	problems []string
}

func (p *secretParser) problem(key, format string, args ...any) {
	p.problems = append(p.problems, key+": "+fmt.Sprintf(format, args...))
}

func (p *secretParser) entry() userlist.Entry {
	var entry userlist.Entry
	if digest, ok := p.line("sha256", true); ok {
		if entry.SHA256, ok = userlist.ParseDigest(digest); !ok {
			p.problem("sha256", "%s", userlist.WantDigest)
		}
	}
	entry.Username, _ = p.line("username", true)
	entry.UID, _ = p.line("uid", false)
	entry.Groups = p.lines("groups")
	entry.Audiences = p.lines("audiences")
	if _, given := p.data["audiences"]; given && entry.Audiences == nil {
		p.problem("audiences", "names none: leave the key out for a token that is good for any")
	}
	if text, ok := p.line("expires", false); ok {
		if entry.Expires, ok = userlist.ParseExpiry(text); !ok {
			p.problem("expires", "%s", userlist.WantExpiry)
		}
	}
	entry.Extra = p.extra()
	for _, key := range slices.Sorted(maps.Keys(p.data)) {
		switch key {
		case "sha256", "username", "uid", "groups", "audiences", "expires", "extra":
		default:
			p.problem("data", "unknown key %s", userlist.Shown(key))
		}
	}
	return entry
}

// text returns the value of a key without the line end that files have; false
// when there is none to be read.
func (p *secretParser) text(key string) (string, bool) {
	value, given := p.data[key]
	if !given {
		return "", false
	}
	if !utf8.Valid(value) {
		p.problem(key, "is not UTF-8")
		return "", false
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r"), true
}

// line returns a value that is one line and not empty.
func (p *secretParser) line(key string, required bool) (string, bool) {
	if _, given := p.data[key]; !given && required {
		p.problem(key, "is missing")
	}
	text, ok := p.text(key)
	if !ok {
		return "", false
	}
	return text, p.name(key, text)
}

// lines returns a value with one name a line; nil when it has none.
func (p *secretParser) lines(key string) []string {
	text, ok := p.text(key)
	if !ok || text == "" {
		return nil
	}
	var names []string
	for number, name := range strings.Split(text, "\n") {
		name = strings.TrimSuffix(name, "\r")
		if !p.name(fmt.Sprintf("%s, line %d", key, number+1), name) {
			break
		}
		names = append(names, name)
	}
	return names
}

func (p *secretParser) name(where, text string) bool {
	switch {
	case text == "":
		p.problem(where, "must not be empty")
	case strings.ContainsAny(text, "\r\n"):
		p.problem(where, "must be one line")
	case strings.TrimSpace(text) != text:
		p.problem(where, "has white space around it: remove it")
	default:
		return true
	}
	return false
}

func (p *secretParser) extra() map[string][]string {
	text, ok := p.text("extra")
	if !ok {
		return nil
	}
	// Pointers tell null, which is no list and no string. Repeated names and
	// text that is not UTF-8 are errors of this decoder.
	var read map[string]*[]*string
	if err := json.Unmarshal([]byte(text), &read); err != nil || read == nil {
		p.problem("extra", "%s", wantExtra)
		return nil
	}
	extra := make(map[string][]string, len(read))
	for key, list := range read {
		if key == "" || list == nil || slices.Contains(*list, nil) {
			p.problem("extra", "%s", wantExtra)
			return nil
		}
		extra[key] = nil
		for _, value := range *list {
			extra[key] = append(extra[key], *value)
		}
	}
	return extra
}

const wantExtra = `must be a JSON object of lists of strings under names that are not empty, such as {"department":["payments"]}`

// secretManifest is a Secret as kubectl takes it.
type secretManifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string            `yaml:"name"`
		Namespace string            `yaml:"namespace"`
		Labels    map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
	Type       string `yaml:"type"`
	StringData struct {
		SHA256    string `yaml:"sha256"`
		Username  string `yaml:"username"`
		UID       string `yaml:"uid,omitempty"`
		Groups    string `yaml:"groups,omitempty"`
		Audiences string `yaml:"audiences,omitempty"`
		Expires   string `yaml:"expires,omitempty"`
		Extra     string `yaml:"extra,omitempty"`
	} `yaml:"stringData"`
}

// Manifest returns the manifest of the Secret that holds the entry. It is an
// error when such a Secret would be refused, but for the prefixes that a source
// demands of names.
func Manifest(e userlist.Entry, namespace, name string) (string, error) {
	manifest := secretManifest{APIVersion: "v1", Kind: "Secret", Type: sources.TokenSecretType}
	manifest.Metadata.Name, manifest.Metadata.Namespace = name, namespace
	manifest.Metadata.Labels = map[string]string{sources.TokenSecretLabel: sources.TokenSecretLabelValue}
	data := &manifest.StringData
	data.SHA256, data.Username, data.UID = e.SHA256, e.Username, e.UID
	for _, list := range []struct {
		what   string
		values []string
		text   *string
	}{{"group", e.Groups, &data.Groups}, {"audience", e.Audiences, &data.Audiences}} {
		for _, value := range list.values {
			if value == "" || strings.ContainsAny(value, "\r\n") {
				return "", fmt.Errorf("%s %q: must be one line, and not empty", list.what, value)
			}
		}
		*list.text = strings.Join(list.values, "\n")
	}
	if !e.Expires.IsZero() {
		data.Expires = e.Expires.UTC().Format(time.RFC3339Nano)
	}
	if len(e.Extra) > 0 {
		text, err := json.Marshal(e.Extra, json.Deterministic(true)) // a nil list is [] here
		if err != nil {
			return "", fmt.Errorf("extra: %w", err)
		}
		data.Extra = string(text)
	}

	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(manifest), encoder.Close()); err != nil {
		return "", fmt.Errorf("writing a Secret: %w", err)
	}
	if _, err := parseTokenSecret(manifest.data()); err != nil {
		return "", err
	}
	return out.String(), nil
}

// data is what the API server makes of stringData.
func (m *secretManifest) data() map[string][]byte {
	data := map[string][]byte{}
	for key, text := range map[string]string{
		"uid": m.StringData.UID, "groups": m.StringData.Groups, "audiences": m.StringData.Audiences,
		"expires": m.StringData.Expires, "extra": m.StringData.Extra,
	} {
		if text != "" {
			data[key] = []byte(text)
		}
	}
	data["sha256"], data["username"] = []byte(m.StringData.SHA256), []byte(m.StringData.Username)
	return data
}

// NewName returns a name for a Secret of a user: the username as far as a
// name may hold it, and 8 random characters, so that a user can have several.
func NewName(username string) string {
	const longest, random = 40, 8
	var name strings.Builder
	for _, r := range strings.ToLower(username) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			name.WriteRune(r)
		case name.Len() > 0 && !strings.HasSuffix(name.String(), "-"):
			name.WriteByte('-')
		}
		if name.Len() == longest {
			break
		}
	}
	readable := strings.Trim(name.String(), "-")
	if readable == "" {
		readable = "token"
	}
	return readable + "-" + strings.ToLower(rand.Text()[:random])
}
