package sources

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestTokenNeverPrints(t *testing.T) {
	for _, secret := range []string{"hunter2hunter2", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodW50ZXIyIn0.c2lnbmF0dXJl"} {
		neverPrints(t, secret)
	}
}

func neverPrints(t *testing.T, secret string) {
	t.Helper()
	token := ParseToken(secret)
	token.ParsedJWT(func(text string) any { return &struct{ text string }{text} }) // which keeps more of it
	holder := struct{ Token *Token }{token}
	hiding := struct{ token *Token }{token}
	var out strings.Builder
	for _, value := range []any{token, *token, holder, hiding, []*Token{token}, map[string]*Token{"a": token}, &holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		if text, err := json.Marshal(value); err == nil {
			out.Write(text)
		}
	}
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%d", []byte(secret))} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%q was printed in\n%s", form, out.String())
		}
	}
	if token.Reveal() != secret {
		t.Error("the token is not the text")
	}
}

func TestLooksLikeJWT(t *testing.T) {
	for text, want := range map[string]bool{
		"a.b.c": true, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln-_": true,
		"": false, "a": false, "a.b": false, "a.b.c.d": false, "..": false, "a..c": false, ".b.c": false, "a.b.": false,
		"a.b.c=": false, "a.b+.c": false, "a b.c.d": false, "a.b.ü": false, "vdt_abc": false,
	} {
		if got := ParseToken(text).LooksLikeJWT(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
