package tokenfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// maxProblems is how many mistakes in one file are listed.
const maxProblems = 20

// ParseTokens reads a token file strictly: unknown and repeated fields, values
// of another type, and two entries for one token are mistakes. All of them are
// reported, one a line: name:line:column: path: what is wrong. The hashes of the
// entries are in lower case.
func ParseTokens(name string, content []byte) ([]userlist.Entry, error) {
	p := parser{name: name}
	entries := p.file(content)
	if err := p.err(); err != nil {
		return nil, err
	}
	return entries, nil
}

type parser struct {
	name     string
	problems []error
	more     int // problems that are not listed
}

func (p *parser) problem(at *yaml.Node, path, format string, args ...any) {
	where := ""
	if at != nil {
		where = fmt.Sprintf(":%d:%d", at.Line, at.Column)
	}
	p.problemAt(where, path, format, args...)
}

// problemAt notes a mistake; where is ":line:column", or "" for the whole file.
func (p *parser) problemAt(where, path, format string, args ...any) {
	if len(p.problems) == maxProblems {
		p.more++
		return
	}
	if path != "" {
		where += ": " + path
	}
	p.problems = append(p.problems, fmt.Errorf("%s%s: %s", p.name, where, fmt.Sprintf(format, args...)))
}

// err is what is wrong with the file, nil for nothing.
func (p *parser) err() error {
	if p.more > 0 {
		return errors.Join(append(p.problems, fmt.Errorf("%s: and %d more mistakes", p.name, p.more))...)
	}
	return errors.Join(p.problems...)
}

func (p *parser) file(content []byte) []userlist.Entry {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) || (err == nil && len(document.Content) == 0) {
		// A file caught between truncation and writing looks like this, too.
		p.problem(nil, "", "is empty: want a list under `tokens:`, `tokens: []` for no tokens")
		return nil
	} else if err != nil {
		p.problem(nil, "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		p.problem(&second, "", "is a second YAML document: keep one")
		return nil
	} else if !errors.Is(err, io.EOF) {
		p.problem(nil, "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}

	var entries []userlist.Entry
	root := document.Content[0]
	found := false
	p.fields(root, "", func(key string, value *yaml.Node) bool {
		if key != "tokens" {
			return false
		}
		found = true
		entries = p.entries(value)
		return true
	})
	if root.Kind == yaml.MappingNode && !found {
		p.problem(root, "tokens", "is missing: want a list, [] for no tokens")
	}
	return entries
}

func (p *parser) entries(list *yaml.Node) []userlist.Entry {
	var entries []userlist.Entry
	byHash := map[string]string{}
	p.items(list, "tokens", func(node *yaml.Node, path string) {
		entry := p.entry(node, path)
		if entry.SHA256 != "" {
			if other, ok := byHash[entry.SHA256]; ok {
				p.problem(node, path+".sha256", "is the token of %s: give each user a token of its own", other)
			} else {
				byHash[entry.SHA256] = fmt.Sprintf("%s (line %d)", path, node.Line)
			}
		}
		entries = append(entries, entry)
	})
	return entries
}

func (p *parser) entry(node *yaml.Node, path string) userlist.Entry {
	var entry userlist.Entry
	found := map[string]bool{}
	p.fields(node, path, func(key string, value *yaml.Node) bool {
		found[key] = true
		at := path + "." + key
		switch key {
		case "sha256":
			entry.SHA256 = p.hash(value, at)
		case "username":
			entry.Username = p.text(value, at, true)
		case "uid":
			entry.UID = p.text(value, at, true)
		case "groups":
			entry.Groups = p.texts(value, at, true)
		case "extra":
			entry.Extra = p.extra(value, at)
		case "audiences":
			entry.Audiences = p.texts(value, at, true)
			if value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
				p.problem(value, at, "is empty: name the audiences, or leave the field out for a token that is good for any")
			}
		case "expires":
			entry.Expires = p.time(value, at)
		default:
			return false
		}
		return true
	})
	if node.Kind == yaml.MappingNode {
		for _, required := range []string{"sha256", "username"} {
			if !found[required] {
				p.problem(node, path+"."+required, "is missing")
			}
		}
	}
	return entry
}

// fields calls field for each field of a mapping; it returns false for a name
// that it does not know.
func (p *parser) fields(node *yaml.Node, path string, field func(key string, value *yaml.Node) bool) {
	if node.Kind != yaml.MappingNode {
		p.problem(node, path, "must be a mapping of fields, not %s", kindOf(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if !isText(name) {
			p.problem(name, path, "has a field whose name is not a string")
			continue
		}
		key := name.Value
		if line, ok := seen[key]; ok {
			p.problem(name, path, "field %s is given twice, first on line %d", userlist.Shown(key), line)
			continue
		}
		seen[key] = name.Line
		if !field(key, value) {
			p.problem(name, path, "unknown field %s", userlist.Shown(key))
		}
	}
}

func (p *parser) items(node *yaml.Node, path string, item func(node *yaml.Node, path string)) {
	if node.Kind != yaml.SequenceNode {
		p.problem(node, path, "must be a list, not %s", kindOf(node))
		return
	}
	for i, child := range node.Content {
		item(child, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (p *parser) texts(node *yaml.Node, path string, nonEmpty bool) []string {
	var out []string
	p.items(node, path, func(node *yaml.Node, path string) {
		out = append(out, p.text(node, path, nonEmpty))
	})
	return out
}

func (p *parser) extra(node *yaml.Node, path string) map[string][]string {
	out := map[string][]string{}
	p.fields(node, path, func(key string, value *yaml.Node) bool {
		if key == "" {
			p.problem(value, path, "has an empty key")
		}
		out[key] = p.texts(value, fmt.Sprintf("%s[%s]", path, userlist.Shown(key)), false)
		return true
	})
	return out
}

func (p *parser) text(node *yaml.Node, path string, nonEmpty bool) string {
	switch {
	case node.Kind != yaml.ScalarNode || node.ShortTag() == "!!null":
		p.problem(node, path, "must be a string, not %s", kindOf(node))
	case !isText(node):
		p.problem(node, path, "must be a string, not %s: put it in quotes", kindOf(node))
	case nonEmpty && node.Value == "":
		p.problem(node, path, "must not be empty")
	}
	return node.Value
}

// hash reads the scalar as it is written, since a hash may look like a number.
func (p *parser) hash(node *yaml.Node, path string) string {
	if node.Kind == yaml.ScalarNode {
		if digest, ok := userlist.ParseDigest(node.Value); ok {
			return digest
		}
	}
	p.problem(node, path, "%s", userlist.WantDigest)
	return ""
}

func (p *parser) time(node *yaml.Node, path string) time.Time {
	if node.Kind == yaml.ScalarNode {
		if at, ok := userlist.ParseExpiry(node.Value); ok {
			return at
		}
	}
	p.problem(node, path, "%s", userlist.WantExpiry)
	return time.Time{}
}

// isText tells whether node is a string. "<<" is one too: nothing is merged here.
func isText(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && (node.ShortTag() == "!!str" || node.ShortTag() == "!!merge")
}

// kindOf names what a node is, for a message.
func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias, which is not supported here"
	}
	switch node.ShortTag() {
	case "!!str":
		return "a string"
	case "!!null":
		return "null"
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a time"
	}
	return "a value of another type"
}
