package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/httpsource"
	"github.com/verdict-dev/verdict/internal/identity/introspection"
	"github.com/verdict-dev/verdict/internal/identity/jwt"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/secrets"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
)

func TestIdentitySourcesReadEveryField(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ca.crt", "client.crt", "client.key", "keys.json", "secret", "tokens.csv", "kubeconfig"} {
		write(t, dir, name, "x")
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	path := write(t, dir, "verdict.yaml", header+`
cluster: {kubeconfig: kubeconfig}
authentication:
  sources:
  - name: defaults
    jwt: {issuers: ["https://a.example.com"]}
  - name: keys
    jwt:
      issuers: [a, b]
      jwksFile: keys.json
      audiences: [x, y]
      algorithms: [ES256]
      audienceClaim: client_id
      audienceOptional: true
      subjectOptional: true
      leeway: 1m
      requiredClaims: {hd: example.com, "https://example.com/claim": "yes"}
      subjectClaim: email
      connection: {caFile: ca.crt, certFile: client.crt, keyFile: client.key, proxyURL: "http://proxy:3128", timeout: 1s}
  - name: ask
    introspection:
      url: https://as.example.com/introspect
      clientID: verdict
      clientSecretFile: secret
      issuer: https://as.example.com
      audiences: [z]
      leeway: {exp: 2s, iat: 0s}
      tokens: {format: any, prefixes: [at_]}
  - name: csv
    tokenFile: {path: tokens.csv, format: csv}
  - name: secrets
    secrets: {namespace: tokens, groupPrefixes: [team-], usernamePrefixes: [robot-]}
  - name: hub
    http: {preset: github}
  - name: other
    http:
      baseURL: http://127.0.0.1:8080
      allowedHosts: ["127.0.0.1:8080"]
      requests:
      - url: /user
      - {url: /groups, method: POST, headers: {Authorization: "token {token}"}, claim: groups, pages: 3, accepted: [200, 203], rejected: [401, 403], absent: [404]}
      subject: user.id
      expires: user.expires
`)
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	minute := time.Minute
	plain := remote.Connection{Timeout: 5 * time.Second}
	want := []IdentitySource{
		{Name: "defaults", Kind: "jwt", Config: &jwt.Options{
			Issuers: []string{"https://a.example.com"}, Algorithms: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, Leeway: sources.Leeway{NotBefore: time.Minute},
			SubjectClaim: "sub", AudienceClaim: "aud", Connection: plain,
		}},
		{Name: "keys", Kind: "jwt", Config: &jwt.Options{
			Issuers: []string{"a", "b"}, JWKSFile: at("keys.json"), Audiences: []string{"x", "y"}, Algorithms: []string{"ES256"},
			AudienceClaim: "client_id", AudienceOptional: true, SubjectOptional: true,
			Leeway: sources.Leeway{Expires: minute, NotBefore: minute, IssuedAt: &minute}, RequiredClaims: map[string]string{"hd": "example.com", "https://example.com/claim": "yes"}, SubjectClaim: "email",
			Connection: remote.Connection{CAFile: at("ca.crt"), CertFile: at("client.crt"), KeyFile: at("client.key"), ProxyURL: "http://proxy:3128", Timeout: time.Second},
		}},
		{Name: "ask", Kind: "introspection", Config: &introspection.Options{
			URL: "https://as.example.com/introspect", ClientID: "verdict", ClientSecretFile: at("secret"), Issuer: "https://as.example.com",
			Audiences: []string{"z"}, Leeway: sources.Leeway{Expires: 2 * time.Second, NotBefore: time.Minute, IssuedAt: new(time.Duration)}, Tokens: remote.Tokens{Format: remote.TokenFormatAny, Prefixes: []string{"at_"}}, Connection: plain,
		}},
		{Name: "csv", Kind: "tokenFile", Config: &tokenfile.Config{Path: at("tokens.csv"), Format: tokenfile.CSV}},
		{Name: "secrets", Kind: "secrets", Config: &secrets.Options{Namespace: "tokens", GroupPrefixes: []string{"team-"}, UsernamePrefixes: []string{"robot-"}}},
		{Name: "hub", Kind: "http", Config: &httpsource.Options{Preset: "github", Tokens: remote.Tokens{Format: remote.TokenFormatOpaque}, Connection: plain}},
		{Name: "other", Kind: "http", Config: &httpsource.Options{
			BaseURL: "http://127.0.0.1:8080", AllowedHosts: []string{"127.0.0.1:8080"},
			Requests: []httpsource.Request{
				{Method: "GET", URL: "/user", Pages: 1, Accepted: []int{200}, Rejected: []int{401}},
				{
					Method: "POST", URL: "/groups", Headers: map[string]string{"Authorization": "token {token}"}, Claim: "groups", Pages: 3,
					Accepted: []int{200, 203}, Rejected: []int{401, 403}, Absent: []int{404},
				},
			},
			Subject: "user.id", Expires: "user.expires", Tokens: remote.Tokens{Format: remote.TokenFormatOpaque}, Connection: plain,
		}},
	}
	if len(got.Authentication.Sources) != len(want) {
		t.Fatalf("%d sources, want %d", len(got.Authentication.Sources), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got.Authentication.Sources[i], want[i]) {
			t.Errorf("source %s is not what was written: %+v", want[i].Name, got.Authentication.Sources[i])
		}
	}
}

func TestIdentitySourceMistakes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file", "x")
	const kinds = "authentication.sources[0]"
	for name, test := range map[string]struct {
		source string
		want   []string
	}{
		"two kinds": {"tokenFile: {path: file}, secrets: {namespace: a}", []string{kinds + ": the source has the kinds tokenFile and secrets: make a source of each"}},
		"no issuer": {"jwt: {}", []string{kinds + `.jwt.issuers: required: the values of "iss" that tokens may have`}},
		"two places of keys": {"jwt: {issuers: [\"https://a\"], jwksURL: \"https://a/keys\", jwksFile: file}", []string{
			kinds + ".jwt.jwksFile: excludes jwksURL: remove one of them",
		}},
		"discovery of two": {"jwt: {issuers: [a, b], discoveryURL: \"https://a/x\"}", []string{
			kinds + ".jwt.discoveryURL: belongs to one issuer, and there are 2: make a source of each",
		}},
		"issuer that is no URL": {"jwt: {issuers: [accounts]}", []string{
			kinds + `.jwt.issuers[0]: "accounts" is not a URL: write https://HOST/PATH`,
			kinds + ".jwt.issuers[0]: without jwksURL or jwksFile its keys are looked for below it",
		}},
		"plain http": {"jwt: {issuers: [a], jwksURL: \"http://keys.example.com\"}", []string{
			kinds + `.jwt.jwksURL: "http://keys.example.com" would be called without encryption: use https; plain http is only for loopback addresses`,
		}},
		"password in a URL": {"jwt: {issuers: [a], jwksURL: \"https://a:hunter2@keys.example.com\"}", []string{kinds + ".jwt.jwksURL: must not hold a user or password"}},
		"fragment":          {"jwt: {issuers: [a], jwksURL: \"https://k/#x\"}", []string{kinds + `.jwt.jwksURL: "https://k/#x" has a fragment (#…), which is never sent: remove it`}},
		"symmetric algorithm": {"jwt: {issuers: [a], jwksFile: file, algorithms: [HS256]}", []string{
			kinds + `.jwt.algorithms[0]: "HS256" is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`,
		}},
		"no algorithm": {"jwt: {issuers: [a], jwksFile: file, algorithms: []}", []string{
			kinds + ".jwt.algorithms: is empty, so that no token would be accepted: leave it out for all of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
		}},
		"negative leeway": {"jwt: {issuers: [a], jwksFile: file, leeway: -1s}", []string{kinds + ".jwt.leeway: must not be negative, not -1s: 0s turns it off"}},
		"long leeway":     {"jwt: {issuers: [a], jwksFile: file, leeway: 1h}", []string{kinds + ".jwt.leeway: 1h0m0s is longer than 10m0s, by which no clocks should differ"}},
		"a leeway that is odd": {"jwt: {issuers: [a], jwksFile: file, leeway: {exp: 1h, nbf: 1s, iat: -1s}}", []string{
			kinds + ".jwt.leeway.exp: 1h0m0s is longer than 10m0s, by which no clocks should differ",
			kinds + ".jwt.leeway.iat: must not be negative, not -1s: 0s turns it off",
		}},
		"a leeway that is no duration": {"jwt: {issuers: [a], jwksFile: file, leeway: soon}", []string{kinds + `.jwt.leeway: "soon" is not a duration: write a number and a unit, such as 500ms, 30s or 2m`}},
		"a leeway of another claim":    {"jwt: {issuers: [a], jwksFile: file, leeway: {auth_time: 1s}}", []string{kinds + ".jwt.leeway.auth_time: unknown field: the fields here are exp, nbf, iat"}},
		"no claims": {"jwt: {issuers: [a], jwksFile: file, subjectClaim: \"\", audienceClaim: \"\"}", []string{
			kinds + `.jwt.subjectClaim: is empty: leave it out for "sub", and set subjectOptional for tokens that have no subject`,
			kinds + `.jwt.audienceClaim: is empty: leave it out for "aud", and set audienceOptional for tokens that have no audience`,
		}},
		"claims as a list": {"jwt: {issuers: [a], jwksFile: file, requiredClaims: [a]}", []string{
			kinds + ".jwt.requiredClaims: expected names with values (name: value), found a list",
		}},
		"claim twice":     {"jwt: {issuers: [a], jwksFile: file, requiredClaims: {a: b, a: c}}", []string{kinds + ".jwt.requiredClaims.a: already given in line 3: keep one of them"}},
		"claim of a list": {"jwt: {issuers: [a], jwksFile: file, requiredClaims: {a: [b]}}", []string{kinds + ".jwt.requiredClaims.a: expected text, found a list"}},
		"certificate without key": {"jwt: {issuers: [a], jwksFile: file, connection: {certFile: file}}", []string{
			kinds + ".jwt.connection.certFile: needs keyFile, the private key that belongs to it",
		}},
		"proxy with a password": {"jwt: {issuers: [a], jwksFile: file, connection: {proxyURL: \"ftp://a:hunter2@b\"}}", []string{
			kinds + ".jwt.connection.proxyURL: is not the address of a proxy: write http://HOST:PORT, https:// or socks5://",
		}},
		"no timeout": {"jwt: {issuers: [a], jwksFile: file, connection: {timeout: 0s}}", []string{kinds + ".jwt.connection.timeout: must be above 0s, not 0s"}},
		"introspection by nobody": {"introspection: {url: \"https://a\", clientID: a}", []string{
			kinds + ".introspection: the authorization server has to know who asks (RFC 7662 §2.1): set clientSecretFile, or connection.certFile and keyFile",
		}},
		"introspection nowhere": {"introspection: {clientID: a, clientSecretFile: file}", []string{
			kinds + ".introspection.url: required: the introspection endpoint of the authorization server (RFC 7662)",
		}},
		"secret of nobody": {"introspection: {url: \"https://a\", clientSecretFile: file}", []string{
			kinds + ".introspection.clientID: required: the name under which the authorization server knows Verdict",
		}},
		"odd token format": {"introspection: {url: \"https://a\", clientID: a, clientSecretFile: file, tokens: {format: JWT}}", []string{
			kinds + `.introspection.tokens.format: "JWT" is not one of opaque, jwt, any`,
		}},
		"secrets without namespace": {"secrets: {}", []string{
			kinds + ".secrets.namespace: required: the namespace of the Secrets; a user that may write Secrets there can create users",
			kinds + ".secrets: needs the cluster: set cluster.kubeconfig or cluster.inCluster",
		}},
		"format of a token file": {"tokenFile: {path: file, format: json}", []string{kinds + `.tokenFile.format: "json" is not one of yaml, csv`}},
		"http without anything": {"http: {}", []string{
			kinds + ".http.requests: required without a preset: what to ask the service",
			kinds + ".http.subject: required without a preset: where in the answers the subject is, such as user.id",
			kinds + ".http.allowedHosts: required without a preset: the hosts that tokens may be sent to",
		}},
		"unknown preset": {"http: {preset: gitlab}", []string{
			kinds + `.http.preset: "gitlab" is not one of github`,
		}},
		"request without URL": {"http: {preset: github, requests: [{method: PUT, pages: 0}]}", []string{
			kinds + ".http.requests[0].url: required: where to ask, such as https://api.example.com/user",
			kinds + ".http.requests[0].pages: must be above 0, not 0",
			kinds + `.http.requests[0].method: "PUT" is not one of GET, POST`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			text := header + "authentication: {sources: [{name: a, " + test.source + "}]}\n"
			_, err := parse(filepath.Join(dir, "verdict.yaml"), []byte(text))
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a password is shown: %v", err)
			}
			var want []string
			for _, mistake := range test.want {
				want = append(want, ":3: "+mistake)
			}
			checkMistakes(t, filepath.Join(dir, "verdict.yaml"), err, want)
		})
	}
}
