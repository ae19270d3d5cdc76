// Package yamlfile checks YAML files for what the YAML library passes over.
package yamlfile

import (
	"bytes"
	"fmt"
)

// CheckSingle refuses what the YAML library would leave out without a word:
// everything after the first document. A line that begins with --- is a marker
// wherever it stands in valid YAML.
func CheckSingle(content []byte) error {
	begun := false
	line := 0
	for text := range bytes.Lines(content) {
		line++
		text = bytes.TrimRight(text, "\r\n")
		switch rest, marker := bytes.CutPrefix(text, []byte("---")); {
		case marker && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t'):
			if begun {
				return fmt.Errorf("line %d: a second YAML document begins: a data file holds one", line)
			}
			begun = true
		case len(bytes.TrimSpace(text)) > 0 && text[0] != '#' && text[0] != '%':
			begun = true
		}
	}
	return nil
}
