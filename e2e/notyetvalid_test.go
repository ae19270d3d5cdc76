package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// signer is an issuer whose keys are in a file.
type signer struct {
	key  *ecdsa.PrivateKey
	file string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	public, err := key.PublicKey.Bytes() // 4, x and y
	must(t, err)
	coordinate := base64.RawURLEncoding.EncodeToString
	text, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "kid": "a", "x": coordinate(public[1:33]), "y": coordinate(public[33:]),
	}}})
	must(t, err)
	s := &signer{key: key, file: filepath.Join(t.TempDir(), "keys.json")}
	must(t, os.WriteFile(s.file, text, 0o600))
	return s
}

// sign returns a token with the claims (RFC 7515 §7.1, ES256).
func (s *signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	must(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"ES256","kid":"a","typ":"JOSE"}`)) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	r, ess, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	must(t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	ess.FillBytes(signature[32:])
	return input + "." + encode(signature)
}

// TestTokenThatIsNotValidYet: an apiserver keeps a definite no for ten seconds, and
// asks again about a token that will be valid sooner.
func TestTokenThatIsNotValidYet(t *testing.T) {
	issuer := newSigner(t)
	arrangeIdentity(t, fmt.Sprintf("    - name: company\n      jwt: {issuers: [https://early.example], jwksFile: %q, audiences: [kubernetes], leeway: {nbf: 0s}}\n", issuer.file))
	from := time.Now().Add(5 * time.Second).Truncate(time.Second)
	token := issuer.sign(t, map[string]any{
		"iss": "https://early.example", "sub": "1", "aud": "kubernetes", "email": "alice@example.com", "email_verified": true,
		"nbf": from.Unix(), "exp": from.Add(time.Hour).Unix(),
	})
	undecided(t, token)
	refused(t, bearing(t), []string{"Unauthorized"}, "auth", "whoami", "--token="+token)
	if time.Now().After(from) {
		t.Fatal("this machine is too slow to tell")
	}
	time.Sleep(time.Until(from.Add(time.Second / 2)))
	allowed(t, bearing(t), "auth", "whoami", "--token="+token)
	authenticated(t, token, "oidc:alice@example.com")
}
