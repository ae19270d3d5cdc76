package document

import (
	"strings"
	"testing"
)

func object(tb testing.TB, text string) Value {
	tb.Helper()
	parsed, err := Parse([]byte(text))
	if err != nil {
		tb.Fatalf("decoding %s: %v", text, err)
	}
	return parsed.Root()
}

// contains checks that text has every part.
func contains(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("got  %s\nwant it to contain %q", text, part)
		}
	}
}
