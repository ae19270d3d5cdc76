package celrego

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Quote writes a string as Rego does.
func Quote(s string) string {
	if strings.Contains(s, `\`) && !strings.ContainsAny(s, "`\n\r\t") {
		return "`" + s + "`"
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// keywords cannot follow the dot of a reference, nor name a variable.
var keywords = []string{
	"as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "not", "null",
	"package", "some", "true", "with",
}

var identifier = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func isIdentifier(name string) bool {
	return identifier.MatchString(name) && !slices.Contains(keywords, name)
}

// Member is the reference to a member of what term refers to.
func Member(term, name string) string {
	if isIdentifier(name) {
		return term + "." + name
	}
	return term + "[" + Quote(name) + "]"
}
