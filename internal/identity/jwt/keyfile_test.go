package jwt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/policy/identity"
)

func TestJWTFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	reloads, failures := make(chan string, 10), make(chan error, 10)
	source, err := New("corp", Options{
		Issuers: []string{"one", "two"}, JWKSFile: path,
		OnChange: func(issuer string, _ int) { reloads <- issuer },
		OnError:  func(err error) { failures <- err },
	})
	identitytest.Must(t, err)
	issuer := keyIssuer{url: "two"}
	header := identitytest.Values{"alg": "RS256", "kid": "a"}
	a := identitytest.JWTOf(t, identitytest.RsaA(), header, issuer.claims(time.Now(), nil))
	b := identitytest.JWTOf(t, identitytest.RsaB(), identitytest.With(header, identitytest.Values{"kid": "b"}), issuer.claims(time.Now(), nil))

	// Nothing was read.
	faulty(t, verify(t, source, a), "not loaded yet")
	if err := source.Ready(); !errors.Is(err, identity.ErrNotLoaded) {
		t.Errorf("ready without a file: %v", err)
	}
	for text, part := range map[string]string{
		"":                       "is not a JWK set",
		"-----BEGIN":             "is not a JWK set",
		`{"keys":[{"kty":"x"}]}`: "none of its 1 keys can verify signatures",
	} {
		if text != "" {
			identitytest.Write(t, path, text)
		} else {
			part = "does not exist: create it, or correct its path"
		}
		if err := source.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "identity source corp: JWK set file "+path) || !strings.Contains(err.Error(), part) {
			t.Errorf("loading %q: %v", text, err)
		}
		if text == "" {
			continue
		}
		identitytest.Must(t, os.Remove(path))
	}

	identitytest.Write(t, path, identitytest.JWKSOf(t, identitytest.JWKOf("a", identitytest.RsaA())))
	identitytest.Must(t, source.Load(t.Context()))
	accepted(t, verify(t, source, a))
	definitely(t, verify(t, source, b))
	definitely(t, verify(t, source, identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256"}, issuer.claims(time.Now(), nil))))
	first := source.Generation()

	running(t, source)
	identitytest.Write(t, path+".new", identitytest.JWKSOf(t, identitytest.JWKOf("b", identitytest.RsaB())))
	identitytest.Must(t, os.Rename(path+".new", path))
	receive(t, reloads)
	accepted(t, verify(t, source, b))
	definitely(t, verify(t, source, a))
	if got := source.Generation(); got <= first {
		t.Errorf("generation %d after %d, with other keys", got, first)
	}

	identitytest.Write(t, path, "{}")
	if err := receive(t, failures); !strings.Contains(err.Error(), "is not a JWK set") {
		t.Errorf("told %v", err)
	}
	accepted(t, verify(t, source, b))
	if err := source.Err(); err == nil {
		t.Error("no error for a bad file")
	}
	if err := source.Ready(); err != nil {
		t.Errorf("not ready because of a later file: %v", err)
	}
	if status := source.Status(); !strings.Contains(status, "one,two: 1 keys, read ") || !strings.Contains(status, "latest error: JWK set file "+path+" is not") {
		t.Errorf("status %q", status)
	}

	// An empty list is meant.
	identitytest.Write(t, path, `{"keys":[]}`)
	receive(t, reloads)
	definitely(t, verify(t, source, b))
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(identitytest.Patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
