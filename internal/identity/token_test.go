package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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

func TestTokenID(t *testing.T) {
	key := []byte("a key")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("a token"))
	want := hex.EncodeToString(mac.Sum(nil))[:8]
	if got := TokenID(key, "a token"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if TokenID(key, "another") == want || TokenID([]byte("another"), "a token") == want {
		t.Error("the name does not depend on both key and token")
	}
}
