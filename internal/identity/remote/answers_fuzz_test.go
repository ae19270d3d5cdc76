package remote_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/internal/identity/httpsource"
	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/introspection"
	"github.com/verdict-dev/verdict/internal/identity/jwt"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// canned answers each request with one text, whatever is asked.
type canned struct {
	status      int
	contentType string
	link        string
	body        string
}

// RoundTrip implements http.RoundTripper.
func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {c.contentType}}
	if c.link != "" {
		header.Set("Link", c.link)
	}
	return &http.Response{
		StatusCode: c.status, Header: header, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(c.body)),
	}, nil
}

// FuzzRemoteAnswer has an authorization server, a service and GitHub say anything
// at all about a token. Nothing panics or tells the token, and the circuit counts
// nothing but statuses of hosts that fail.
func FuzzRemoteAnswer(f *testing.F) {
	alice := `{"active":true,"sub":"alice","id":7,"exp":4102444800,"groups":["a"]}`
	for _, body := range []string{
		alice, `{"active":false}`, "", "{}", "[]", "null", "<html>", `{"active":true,"sub":"a","sub":"b"}`, "{\"active\":true,\"sub\":\"\xff\"}",
		`{"active":"true"}`, `{"active":true,"sub":7}`, `{"active":true,"sub":"a","exp":"1"}`, `{"active":true,"sub":"a","nbf":4102444800}`,
		`{"active":true,"sub":"` + identitytest.SecretToken + `"}`, `{"` + identitytest.SecretToken + `":1,"active":true,"sub":"x"}`, `{"id":1e5}`, `{"id":null,"a":[[[[]]]]}`,
		`[{"login":"a"}]`, alice[:len(alice)-1], alice + alice, `{"active":true,"sub":"\ud800"}`, `{"active":true,"sub":"a","aud":[1]}`, `{"message":"rate limit"}`,
	} {
		f.Add(200, "application/json", "", body)
	}
	for _, status := range []int{100, 201, 204, 301, 400, 401, 403, 404, 429, 500, 503} {
		f.Add(status, "application/json", "", `{"message":"`+identitytest.SecretToken+`"}`)
	}
	for _, link := range []string{`</user>; rel=next`, `<https://evil.test/>; rel="next"`, `<`, `next`, `<:>; rel=next`, `<//api.test/x?t=` + identitytest.SecretToken + `>; rel=next`} {
		f.Add(200, "application/json; charset=utf-8", link, `[1]`)
	}
	f.Add(200, "text/html", "", alice)
	f.Add(200, ";", "", alice)

	answer := &canned{}
	client := &http.Client{Transport: answer, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	remotes := remoteSources(f, client)
	f.Fuzz(func(t *testing.T, status int, contentType, link, body string) {
		if status < 100 || status > 999 {
			return
		}
		*answer = canned{status: status, contentType: contentType, link: link, body: body}
		for _, source := range remotes {
			b := remote.NewBreaker(source, sources.NewMetrics(nil), remote.BreakerOptions{})
			verified, err := b.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
			identitytest.HidesSecrets(t, err)
			hosts := status >= 500 || status == http.StatusTooManyRequests
			if b.Faults() > 0 && !hosts {
				t.Errorf("%s: %v counts against the source", source.Name(), err)
			}
			if err != nil {
				if verified.Subject != "" {
					t.Errorf("%s: an identity beside the error %v", source.Name(), err)
				}
				continue
			}
			claims := identitytest.SortedJSON(t, verified.Claims.Text())
			if verified.Subject == "" || status < 200 || status > 299 || strings.Contains(claims+verified.Subject, identitytest.SecretToken) {
				t.Errorf("%s: status %d and %q gave %+v with the claims %s", source.Name(), status, body, verified, claims)
			}
			_ = source.Probe(t.Context())
		}
	})
}

func remoteSources(f *testing.F, client *http.Client) []remote.Source {
	asked, err := introspection.New(introspection.Options{Name: "asked", URL: "https://as.test/introspect", ClientID: "a", MutualTLS: true}, client)
	identitytest.Must(f, err)
	service, err := httpsource.New(httpsource.Options{
		Name: "service", BaseURL: "https://api.test", AllowedHosts: []string{"api.test"}, Subject: "id", Expires: "exp",
		Requests: []httpsource.Request{
			{URL: "/{token}", Headers: map[string]string{"A": "{token}"}, Pages: 3}, {URL: "/more?{token}", Claim: "more", Absent: []int{404, 204}, Pages: 2},
		},
		Tokens: remote.Tokens{Format: remote.TokenFormatAny},
	}, client)
	identitytest.Must(f, err)
	service.InPath = false // so that it is asked about the token of this test
	options, err := httpsource.Options{Name: "github", Tokens: remote.Tokens{Prefixes: []string{identitytest.SecretToken[:2]}}}.WithPreset("github")
	identitytest.Must(f, err)
	gitHub, err := httpsource.New(options, client)
	identitytest.Must(f, err)
	return []remote.Source{asked, service, gitHub}
}

// FuzzKeyAnswer has an issuer say anything at all for its discovery document and
// for its keys. Nothing panics, no forged token is taken, and nothing of what was
// said is in an error or in what people are told, but the names of keys.
func FuzzKeyAnswer(f *testing.F) {
	good := identitytest.JWKSOf(f, identitytest.AllKeys()...)
	discovery := `{"issuer":"https://corp.test","jwks_uri":"https://corp.test/keys"}`
	for _, keys := range []string{
		good, "", "{}", "null", "[]", `{"keys":null}`, `{"keys":{}}`, `{"keys":[null,1,"a",[],{}]}`, `{"keys":[],"keys":[]}`, "<html>", good[:len(good)/2],
		`{"keys":[{"kty":"RSA","kid":7,"n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"oct","k":"AA","kid":"a"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":""}]}`, `{"keys":[{"kty":"RSA","use":"enc"}]}`, `{"keys":[{"kty":"RSA","kty":"EC"}]}`, `{"keys":[{"kty":"RSA","n":"","e":"","x5c":["!"]}]}`,
		`{"keys":[{"kty":"EC","crv":"P-521","kid":"` + strings.Repeat("\\u202e", 99) + `"}]}`,
	} {
		f.Add(200, "", discovery, keys)
	}
	for _, document := range []string{
		"", "{}", "[]", `{"issuer":"https://corp.test/"}`, `{"issuer":"https://evil.test","jwks_uri":"https://corp.test/keys"}`, `{"issuer":7}`, "{\"issuer\":\"\xff\"}",
		`{"issuer":"https://corp.test","jwks_uri":"http://corp.test/"}`, `{"issuer":"https://corp.test","jwks_uri":["a"]}`, `{"issuer":"https://corp.test","jwks_uri":"https://a:b@corp.test"}`,
	} {
		f.Add(200, "max-age=1, no-store", document, good)
	}
	for _, status := range []int{204, 301, 404, 429, 500} {
		f.Add(status, "max-age=99999999999999999999", discovery, good)
	}
	claims := identitytest.Values{"iss": "https://corp.test", "sub": "alice", "aud": "api", "exp": 4102444800}
	forged := []*sources.Token{
		sources.ParseToken(identitytest.JWTOf(f, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "rsa"}, claims)), sources.ParseToken(identitytest.JWTOf(f, identitytest.P256B(), identitytest.Values{"alg": "ES256"}, claims)),
	}
	f.Fuzz(func(t *testing.T, status int, caching, document, keys string) {
		if status < 100 || status > 999 {
			return
		}
		issuer := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := keys
			if strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
				body = document
			}
			header := http.Header{"Cache-Control": {caching}, "Age": {strconv.Itoa(len(keys))}}
			return &http.Response{StatusCode: status, Header: header, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		source, err := jwt.New("corp", jwt.Options{Issuers: []string{"https://corp.test"}, Client: &http.Client{Transport: issuer}})
		identitytest.Must(t, err)
		identitytest.Must(t, source.Load(t.Context()))
		// Whoever publishes a key may sign with it: those of the test have no other.
		for _, token := range forged {
			if _, err := source.Verify(t.Context(), token); err == nil {
				t.Errorf("a forged token is taken with the keys %q", keys)
			}
		}
		if told := source.Status(); len(told) > 4096 || strings.ContainsAny(told, "\n\r\x00") || strings.Contains(told, "\u202e") {
			t.Errorf("people are told %q", told)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
