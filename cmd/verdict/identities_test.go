package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// identityPolicy names callers by the source that knows them.
const identityPolicy = `package kubernetes.authentication

user.username := concat(":", [input.identity.source, input.identity.subject])

user.groups contains group if some group in input.identity.claims.groups
`

// signer makes JWTs.
type signer struct{ key ed25519.PrivateKey }

func newSigner(t *testing.T) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

func (s signer) jwks() string {
	public := base64.RawURLEncoding.EncodeToString(s.key.Public().(ed25519.PublicKey))
	return `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"one","x":"` + public + `"}]}`
}

func (s signer) token(subject string) string {
	claims := fmt.Sprintf(`{"iss":"https://corp.example.com","sub":%q,"jti":"id-%s","aud":"kubernetes","exp":%d,"groups":["dev"]}`,
		subject, subject, time.Now().Add(time.Hour).Unix())
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"one","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key, []byte(signed)))
}

// reviewed is what a TokenReview was answered.
type reviewed struct {
	Authenticated bool
	Error         string
	User          struct {
		Username string
		Groups   []string
	}
}

func (p *process) reviewToken(t *testing.T, token string) reviewed {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": map[string]any{"token": token, "audiences": []string{"https://kubernetes.default.svc"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	code, answer := p.post("/authenticate", string(body))
	var review struct{ Status reviewed }
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, answer)
	}
	if err := json.Unmarshal([]byte(answer), &review); err != nil {
		t.Fatal(err)
	}
	return review.Status
}

// TestServeIdentities serves with a source of each kind that needs no cluster.
func TestServeIdentities(t *testing.T) {
	dir := t.TempDir()
	keys := newSigner(t)
	asked := make(chan string, 100)
	authorizationServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.PostFormValue("token")
		user, password, _ := r.BasicAuth()
		if user != "verdict" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"active":`+fmt.Sprint(r.PostFormValue("token") == "at_good")+`,"sub":"carol"}`)
	}))
	defer authorizationServer.Close()
	forge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer fg_good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"id":7}`)
	}))
	defer forge.Close()

	write(t, filepath.Join(dir, "keys.json"), keys.jwks())
	write(t, filepath.Join(dir, "secret"), "s3cret\n")
	write(t, filepath.Join(dir, "tokens.csv"), "clear,dave,1,\"dev,ops\"\n")
	write(t, filepath.Join(dir, "revoked.yaml"), "subjects: []\n")
	writeFile(t, filepath.Join(dir, "policies", "a.rego"), identityPolicy)
	config := writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig+`
authentication:
  revokedFile: revoked.yaml
  sources:
  - {name: corp, jwt: {issuers: ["https://corp.example.com"], jwksFile: keys.json, audiences: [kubernetes]}}
  - name: opaque
    introspection: {url: "`+authorizationServer.URL+`", clientID: verdict, clientSecretFile: secret, tokens: {prefixes: [at_]}, connection: {timeout: 1s}}
  - {name: csv, tokenFile: {path: tokens.csv, format: csv}}
  - name: forge
    http:
      allowedHosts: ["`+strings.TrimPrefix(forge.URL, "http://")+`"]
      requests: [{url: "`+forge.URL+`/user", headers: {Authorization: "Bearer {token}"}, claim: user}]
      subject: user.id
      tokens: {prefixes: [fg_]}
`)
	p := serve(t, dir, "--config", config, "--policy", filepath.Join(dir, "policies"))

	alice, bob := keys.token("alice"), keys.token("bob")
	for token, want := range map[string]string{
		alice: "corp:alice", bob: "corp:bob", "at_good": "opaque:carol", "clear": "csv:dave", "fg_good": "forge:7",
		alice[:len(alice)-4] + "AAAA": "", newSigner(t).token("alice"): "", "at_bad": "", "fg_bad": "", "unclear": "",
	} {
		if got := p.reviewToken(t, token); got.User.Username != want || got.Error != "" || got.Authenticated != (want != "") {
			t.Errorf("a token of %q: %+v", want, got)
		}
	}
	close(asked)
	for token := range asked {
		if !strings.HasPrefix(token, "at_") {
			t.Error("a token was sent to a service that it is not of")
		}
	}

	// Revoked by subject, by identifier and by digest, each at once.
	sum := sha256.Sum256([]byte("clear"))
	writeFile(t, filepath.Join(dir, "revoked.yaml"), `{"subjects": [{"subject": "alice"}], "jtis": [{"jti": "id-bob"}], "tokens": [{"sha256": "`+hex.EncodeToString(sum[:])+`"}]}`)
	for _, token := range []string{alice, bob, "clear"} {
		eventually(t, "a token is revoked", func() bool { return !p.reviewToken(t, token).Authenticated })
	}

	// A source that is down keeps no other from answering.
	forge.Close()
	if got := p.reviewToken(t, "fg_other"); got.Authenticated || got.Error == "" {
		t.Errorf("a token of a source that is down: %+v", got)
	}
	if got := p.reviewToken(t, "fg_good"); !got.Authenticated {
		t.Errorf("a token that was verified before its source went down: %+v", got)
	}
	if got := p.reviewToken(t, keys.token("erin")); !got.Authenticated {
		t.Errorf("a token of another source: %+v", got)
	}

	_, details := p.get("/readyz?verbose")
	for _, want := range []string{"corp", "revoked.yaml: 3 entries"} {
		if !strings.Contains(details, want) {
			t.Errorf("/readyz?verbose lacks %q:\n%s", want, details)
		}
	}
	_, metrics := p.get("/metrics")
	for _, want := range []string{
		`verdict_identity_verification_duration_seconds_count{outcome="accepted",source="corp"} 3`,
		`verdict_identity_verification_duration_seconds_count{outcome="rejected",source="opaque"} 1`,
		`verdict_identity_verification_duration_seconds_count{outcome="fault",source="forge"} 1`,
		`verdict_identity_kept_total{source="forge"} 1`,
		`verdict_identity_circuit_open{source="forge"} 0`,
		`verdict_identity_keys_fetched_timestamp_seconds{issuer="https://corp.example.com",source="corp"}`,
		`verdict_cache_entries{cache="identities"}`,
		`verdict_cache_entries{cache="rejectedTokens"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	for _, secret := range []string{alice, bob, "at_good", "at_bad", "fg_good", "fg_other", "unclear", "s3cret", strings.Split(alice, ".")[2]} {
		if strings.Contains(p.stdout.String()+p.stderr.String()+metrics+details, secret) {
			t.Errorf("%.6s… was printed", secret)
		}
	}
}

// TestConfigCheckFindsWhatSourcesFind checks mistakes that only the sources see.
func TestConfigCheckFindsWhatSourcesFind(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"keys that are none":      {"jwt: {issuers: [a], jwksFile: file}", "authentication.sources[0]: identity source s: JWK set file"},
		"authorities that are no": {"introspection: {url: \"https://as.example.com\", clientID: a, clientSecretFile: file, connection: {caFile: file}}", "file"},
		"a host not allowed": {
			"http: {allowedHosts: [a.example.com], requests: [{url: \"https://b.example.com/{token}\"}], subject: id}",
			"allowedHosts does not list",
		},
		"a token in a host": {
			"http: {allowedHosts: [a.example.com], requests: [{url: \"https://{token}.example.com/\"}], subject: id}",
			"{token} in its scheme or host",
		},
		"a token file": {"tokenFile: {path: file}", "file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "file"), "x")
			file := writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig+"authentication: {sources: [{name: s, "+test.source+"}]}\n")
			_, stderr, code := runVerdict(t, "config", "check", file)
			if code == 0 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, want a mistake with %q: %s", code, test.want, stderr)
			}
		})
	}
}
