package jwt

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Whatever the bytes, parsing does not panic, nothing made up is verified, and
// what is parsed is the one text for what it says.
func FuzzJWTParse(f *testing.F) {
	issuer := newIssuerInMemory("https://corp.test", identitytest.AllKeys()...)
	source := issuer.newJWT(f, func(o *Options) { o.OnError = func(error) {} })
	if err := source.Load(f.Context()); err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	var good []string
	for algorithm, key := range signers() {
		good = append(good, identitytest.JWTOf(f, key, identitytest.Values{"alg": algorithm, "kid": keyIDs()[algorithm]}, issuer.claims(now, nil)))
	}
	for _, token := range good {
		header, rest, _ := strings.Cut(token, ".")
		payload, signature, _ := strings.Cut(rest, ".")
		for _, seed := range []string{token, header + "." + payload + ".", header + ".." + signature, "." + payload + "." + signature, token[:len(token)-1], token + "=", token + ".", header + "." + header + "." + signature} {
			f.Add(seed)
		}
	}
	for _, seed := range []string{"", ".", "..", "...", "a.b.c", "e30.e30.AA", "eyJhbGciOiJub25lIn0.e30.AA", "e30.e30.\n", "\x00.\xff.é"} {
		f.Add(seed)
	}
	for _, header := range []string{`{"alg":"RS256","alg":"none"}`, `{"alg":null}`, `{"crit":[]}`, `[]`, `{"alg":"RS256"`, strings.Repeat("[", 1000)} {
		for _, claims := range []string{`{"iss":"https://corp.test","exp":1e300}`, `{"iss":{}}`, `{"iss":"https://corp.test","exp":-0.0,"aud":[[]]}`, "\xff"} {
			f.Add(identitytest.B64([]byte(header)) + "." + identitytest.B64([]byte(claims)) + ".AAAA")
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		token := sources.ParseToken(text)
		parsed := jwtIn(token)
		if parsed != nil {
			if !token.LooksLikeJWT() {
				t.Error("parsed what does not look like a JWT")
			}
			if again := string(parsed.input) + "." + identitytest.B64(parsed.signature); again != text {
				t.Error("parsed a text that is not the one for what it says")
			}
		}
		_, err := source.Verify(t.Context(), token)
		switch {
		case err == nil && !slices.Contains(good, text):
			// ECDSA allows for more than one signature, which a fuzzer does not find.
			t.Error("verified a token that nobody signed")
		case err != nil:
			hidesToken(t, err, text)
		case source.Applies(token) != (parsed != nil && parsed.issuer == "https://corp.test"):
			t.Error("applies to another issuer's token")
		}
		if parsed == nil && !errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("got %v for what is no JWT", err)
		}
	})
}
