package sources

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		token, err := NewToken()
		if err != nil {
			t.Fatal(err)
		}
		encoded, ok := strings.CutPrefix(token, "vdt_")
		if !ok {
			t.Fatalf("a token does not start with vdt_")
		}
		random, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil || len(random) != 32 {
			t.Fatalf("a token carries %d bytes (%v), want 32 in URL-safe base64", len(random), err)
		}
		if seen[token] {
			t.Fatal("a token came twice")
		}
		seen[token] = true
	}
}
