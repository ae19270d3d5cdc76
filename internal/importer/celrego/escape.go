package celrego

import (
	"regexp"
	"slices"
)

var escapeSequence = regexp.MustCompile(`__[^_]+__`)

// symbols are what stands for characters that no identifier of CEL may have.
var symbols = map[string]string{"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}

// reservedWords of CEL are written between two underscores on each side.
var reservedWords = []string{
	"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
	"let", "loop", "package", "namespace", "return", "var", "void", "while",
}

// unescape returns the name that an identifier stands for in Kubernetes' CEL; it
// returns false for a sequence that stands for nothing.
func unescape(identifier string) (string, bool) {
	sound := true
	name := escapeSequence.ReplaceAllStringFunc(identifier, func(sequence string) string {
		contents := sequence[2 : len(sequence)-2]
		if symbol, ok := symbols[contents]; ok {
			return symbol
		}
		if !slices.Contains(reservedWords, contents) || sequence != identifier {
			sound = false
		}
		return contents
	})
	return name, sound
}
