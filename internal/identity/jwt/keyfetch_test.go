package jwt

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
)

func TestKeyLifetime(t *testing.T) {
	now := time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		header map[string][]string
		want   time.Duration
	}{
		"nothing":                  {nil, time.Hour},
		"max-age":                  {map[string][]string{"Cache-Control": {"max-age=600"}}, 10 * time.Minute},
		"max-age among others":     {map[string][]string{"Cache-Control": {"public", "MUST-REVALIDATE, Max-Age=\"600\""}}, 10 * time.Minute},
		"max-age, already old":     {map[string][]string{"Cache-Control": {"max-age=600"}, "Age": {"240"}}, 6 * time.Minute},
		"max-age, too old":         {map[string][]string{"Cache-Control": {"max-age=600"}, "Age": {"6000"}}, time.Minute},
		"max-age of 0":             {map[string][]string{"Cache-Control": {"max-age=0"}}, time.Minute},
		"max-age of a year":        {map[string][]string{"Cache-Control": {"max-age=31536000"}}, 24 * time.Hour},
		"max-age beyond numbers":   {map[string][]string{"Cache-Control": {"max-age=99999999999999999999999"}}, 24 * time.Hour},
		"max-age that is negative": {map[string][]string{"Cache-Control": {"max-age=-5"}}, time.Minute},
		"max-age that is no time":  {map[string][]string{"Cache-Control": {"max-age=soon"}}, time.Minute},
		"max-age before Expires":   {map[string][]string{"Cache-Control": {"max-age=600"}, "Expires": {date(time.Hour)}}, 10 * time.Minute},
		"the first of two":         {map[string][]string{"Cache-Control": {"max-age=600, max-age=7200"}}, 10 * time.Minute},
		"no-store":                 {map[string][]string{"Cache-Control": {"no-store, max-age=600"}}, time.Minute},
		"no-cache":                 {map[string][]string{"Cache-Control": {"no-cache"}}, time.Minute},
		"Expires":                  {map[string][]string{"Expires": {date(2 * time.Hour)}}, 2 * time.Hour},
		"Expires by its own clock": {map[string][]string{"Expires": {date(3 * time.Hour)}, "Date": {date(time.Hour)}}, 2 * time.Hour},
		"Expires in the past":      {map[string][]string{"Expires": {date(-time.Hour)}}, time.Minute},
		"Expires of 0":             {map[string][]string{"Expires": {"0"}}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keyLifetime(test.header, now); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestFetchRefuses(t *testing.T) {
	var followed atomic.Int32
	elsewhere := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
	elsewhere.answering = func(http.ResponseWriter, *http.Request) bool { followed.Add(1); return false }
	const secret = "hunter2hunter2"
	redirect := func(path string, status int) func(*keyIssuer) {
		return func(i *keyIssuer) {
			i.answering = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != path {
					return false
				}
				w.Header().Set("Location", elsewhere.url+"/"+secret)
				w.WriteHeader(status)
				return true
			}
		}
	}
	discovery := func(others identitytest.Values) func(*keyIssuer) { return func(i *keyIssuer) { i.discovery = others } }
	body := func(text string) func(*keyIssuer) { return func(i *keyIssuer) { i.body = []byte(text) } }
	for name, test := range map[string]struct {
		change func(*keyIssuer)
		part   string
	}{
		"another issuer":             {discovery(identitytest.Values{"issuer": "https://" + secret + ".test"}), "its issuer is not the configured"},
		"another issuer, by a slash": {func(i *keyIssuer) { i.discovery = identitytest.Values{"issuer": i.url + "/"} }, "by a slash at the end"},
		"no issuer":                  {discovery(identitytest.Values{"issuer": nil}), "its issuer is not the configured"},
		"an issuer that is a list":   {discovery(identitytest.Values{"issuer": []any{secret}}), "issuer: must be a string"},
		"no jwks_uri":                {discovery(identitytest.Values{"jwks_uri": nil}), "its jwks_uri: must be a URL"},
		"jwks_uri is plain HTTP":     {discovery(identitytest.Values{"jwks_uri": "http://" + secret + ".test/keys"}), "its jwks_uri: must be https"},
		"jwks_uri is a file":         {discovery(identitytest.Values{"jwks_uri": "file:///" + secret}), "its jwks_uri"},
		"jwks_uri has a password":    {discovery(identitytest.Values{"jwks_uri": "https://a:" + secret + "@corp.test/keys"}), "username or password"},
		"jwks_uri is a number":       {discovery(identitytest.Values{"jwks_uri": 1}), "jwks_uri: must be a string"},
		"the document is redirected": {redirect(discoveryPath, http.StatusFound), "status 302: redirects are not followed"},
		"the keys are redirected":    {redirect("/keys", http.StatusTemporaryRedirect), "keys: status 307: redirects are not followed"},
		"the document is no JSON":    {func(i *keyIssuer) { i.answering = answerWith(discoveryPath, secret) }, "the answer is not a JSON object"},
		"the document is a list":     {func(i *keyIssuer) { i.answering = answerWith(discoveryPath, `["`+secret+`"]`) }, "the answer is not a JSON object"},
		"the document has two issuers": {func(i *keyIssuer) {
			i.answering = answerWith(discoveryPath, `{"issuer":"`+secret+`","issuer":"`+i.url+`"}`)
		}, "the answer is not a JSON object"},
		"no document":                {func(i *keyIssuer) { i.status = http.StatusNotFound }, "status 404"},
		"created":                    {func(i *keyIssuer) { i.status = http.StatusCreated }, "status 201"},
		"the keys are no JSON":       {body("<html>" + secret), "the answer is not a JWK set"},
		"the keys are one key":       {body(`{"kty":"oct","k":"` + secret + `"}`), "the answer is not a JWK set"},
		"the keys are not a list":    {body(`{"keys":{"` + secret + `":1}}`), "the answer is not a JWK set"},
		"the keys are null":          {body(`{"keys":null}`), "the answer is not a JWK set"},
		"the keys are there twice":   {body(`{"keys":[],"keys":[]}`), "the answer is not a JWK set"},
		"the keys are cut off":       {body(`{"keys":[{"` + secret), "the answer is not a JWK set"},
		"too many keys":              {body(`{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`), "more than 1000 keys"},
		"too many bytes":             {body(`{"keys":[]` + strings.Repeat(" ", maxKeySetBytes) + `}`), "more than 1048576 bytes"},
		"too many bytes, compressed": {compressed(`{"keys":[]` + strings.Repeat(" ", 64<<20) + `}`), "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
			test.change(issuer)
			var told reports
			source := loaded(t, issuer.newJWT(t, told.options))
			err := source.Err()
			if err == nil || !strings.Contains(err.Error(), test.part) {
				t.Fatalf("got %v, want %q in it", err, test.part)
			}
			if strings.Contains(err.Error()+source.Status(), secret) {
				t.Errorf("part of the answer is in %q or %q", err, source.Status())
			}
			if len(told.errors) != 1 || told.errors[0] != err.Error() {
				t.Errorf("told %q", told.errors)
			}
			faulty(t, verify(t, source, identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), nil))), test.part)
		})
	}
	if followed.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

func answerWith(path, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		_, _ = w.Write([]byte(text))
		return true
	}
}

func compressed(text string) func(*keyIssuer) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return func(i *keyIssuer) {
		i.answering = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/keys" {
				return false
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(out.Bytes())
			return true
		}
	}
}

func TestFetchFromElsewhere(t *testing.T) {
	now := time.Now()
	header := identitytest.Values{"alg": "RS256", "kid": "a"}
	t.Run("a slash at the end of the issuer", func(t *testing.T) {
		issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
		issuer.discovery = identitytest.Values{"issuer": issuer.url + "/"}
		source := loaded(t, issuer.newJWT(t, func(o *Options) { o.Issuers = []string{issuer.url + "/"} }))
		accepted(t, verify(t, source, identitytest.JWTOf(t, identitytest.RsaA(), header, issuer.claims(now, identitytest.Values{"iss": issuer.url + "/"}))))
	})
	t.Run("a discovery URL", func(t *testing.T) {
		issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
		issuer.discovery = identitytest.Values{"issuer": "https://public.test"}
		source := loaded(t, issuer.newJWT(t, func(o *Options) {
			o.Issuers, o.DiscoveryURL = []string{"https://public.test"}, issuer.url+discoveryPath
		}))
		accepted(t, verify(t, source, identitytest.JWTOf(t, identitytest.RsaA(), header, issuer.claims(now, identitytest.Values{"iss": "https://public.test"}))))
		issuer.set(func(i *keyIssuer) { i.discovery = nil })
		identitytest.Must(t, source.Load(t.Context()))
		if err := source.Err(); err == nil || !strings.Contains(err.Error(), "its issuer is not the configured") {
			t.Errorf("got %v for the document of another issuer", err)
		}
	})
	t.Run("a JWKS URL for two", func(t *testing.T) {
		issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
		source := loaded(t, issuer.newJWT(t, func(o *Options) {
			o.Issuers, o.JWKSURL = []string{"one", "two"}, issuer.url+"/keys"
		}))
		for _, name := range []string{"one", "two"} {
			accepted(t, verify(t, source, identitytest.JWTOf(t, identitytest.RsaA(), header, issuer.claims(now, identitytest.Values{"iss": name}))))
		}
		if issuer.fetches.Load() != 1 || issuer.discoveries.Load() != 0 {
			t.Error("not fetched once, and without discovery")
		}
		if status := source.Status(); status != "one,two: 1 keys, read 0s ago" {
			t.Errorf("status %q", status)
		}
	})
	t.Run("an authority that is not trusted", func(t *testing.T) {
		issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()))
		source := loaded(t, issuer.newJWT(t, func(o *Options) { o.Client = &http.Client{} }))
		if err := source.Err(); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("got %v", err)
		}
		fetches(t, issuer, 0)
	})
	t.Run("nobody there", func(t *testing.T) {
		source := loaded(t, newIssuerInMemory("https://127.0.0.1:1").newJWT(t, func(o *Options) { o.Client = &http.Client{} }))
		if err := source.Err(); err == nil || !strings.HasSuffix(err.Error(), "dial tcp 127.0.0.1:1: connect: connection refused") {
			t.Errorf("got %v", err)
		}
	})
}
