package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/remote/remotetest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// authorizationServer answers introspection requests with what reply says.
type authorizationServer struct {
	*httptest.Server
	mu    sync.Mutex
	reply func(w http.ResponseWriter, r *http.Request)
	asked []*http.Request // with the form parsed
}

func newAuthorizationServer(t *testing.T) *authorizationServer {
	t.Helper()
	s := &authorizationServer{}
	s.Server = identitytest.TLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.asked = append(s.asked, r)
		reply := s.reply
		s.mu.Unlock()
		reply(w, r)
	})
	return s
}

func (s *authorizationServer) says(status int, contentType, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (s *authorizationServer) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// source is an Introspection of the server, with a secret.
func (s *authorizationServer) source(t *testing.T, change func(*Options)) *Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	identitytest.Write(t, path, identitytest.SecretClient+"\n")
	options := Options{
		Name: "staff", URL: s.URL + "/introspect", ClientID: "verdict", ClientSecretFile: path,
		Now: func() time.Time { return identitytest.Noon }, Leeway: evenLeeway(10 * time.Second),
	}
	if change != nil {
		change(&options)
	}
	source, err := New(options, remotetest.ClientOf(t, s.Server, 0))
	identitytest.Must(t, err)
	return source
}

func TestIntrospectionAsks(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	server := newAuthorizationServer(t)
	server.says(200, "application/json", `{"active": true, "sub": "alice", "client_id": "cli", "groups": ["a"], "n": 12345678901234567890}`)
	source := server.source(t, nil)
	verified, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
	identitytest.Must(t, err)
	want := identity.Identity{Source: "staff", Type: "introspection", Subject: "alice"}
	got := verified
	got.Claims = identity.Claims{}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	text := identitytest.SortedJSON(t, verified.Claims.Text())
	if text != `{"active":true,"client_id":"cli","groups":["a"],"n":12345678901234567890,"sub":"alice"}` {
		t.Errorf("claims %s", text)
	}

	request := server.last()
	id, secret, _ := request.BasicAuth()
	if id != "verdict" || secret != url.QueryEscape(identitytest.SecretClient) {
		t.Errorf("authenticated as %q with %q", id, secret)
	}
	if request.Method != http.MethodPost || request.URL.Path != "/introspect" || request.URL.RawQuery != "" ||
		request.Header.Get("Accept") != "application/json" || request.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("asked by %s %s with %v", request.Method, request.URL, request.Header)
	}
	if got := fmt.Sprint(request.PostForm); got != fmt.Sprint(url.Values{"token": {identitytest.SecretToken}, "token_type_hint": {"access_token"}}) {
		t.Errorf("form %s", got)
	}
}

func TestIntrospectionByMutualTLS(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	ca := identitytest.NewCA(t)
	dir := t.TempDir()
	cert, key := ca.Issue(t, "verdict", nil)
	identitytest.Write(t, filepath.Join(dir, "ca.crt"), ca.PEM())
	identitytest.Write(t, filepath.Join(dir, "tls.crt"), cert)
	identitytest.Write(t, filepath.Join(dir, "tls.key"), key)
	server := identitytest.MutualServer(t, ca, ca, func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); ok || r.FormValue("client_id") != "verdict" {
			t.Errorf("asked by %v", r.Form)
		}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = io.WriteString(w, `{"active":true,"sub":"alice"}`)
	})
	for name, test := range map[string]struct {
		connection remote.ConnectionOptions
		fails      string
	}{
		"a certificate": {remote.ConnectionOptions{CAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}, ""},
		"none":          {remote.ConnectionOptions{CAFile: filepath.Join(dir, "ca.crt")}, "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, err := remote.NewClient(test.connection)
			identitytest.Must(t, err)
			defer client.CloseIdleConnections()
			source, err := New(Options{Name: "staff", URL: server.URL, ClientID: "verdict", MutualTLS: true}, client)
			identitytest.Must(t, err)
			_, err = source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
			if test.fails != "" {
				identitytest.IsFault(t, err, test.fails)
			} else {
				identitytest.Must(t, err)
			}
		})
	}
}

func TestIntrospectionAnswers(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	server := newAuthorizationServer(t)
	const alice = `"active":true,"sub":"alice"`
	tests := map[string]struct {
		options     func(*Options)
		status      int    // 0 means 200
		contentType string // "" means application/json
		answer      string
		subject     string
		audiences   []string
		accepted    bool // the audiences
		expires     time.Time
		rejected    string // why the token is no good
		early       time.Time
		fault       string
		provoked    bool // the fault does not count against the server
	}{
		"active":                          {answer: `{` + alice + `}`, subject: "alice"},
		"not active":                      {answer: `{"active":false}`, rejected: "unknown token"},
		"not active, with more":           {answer: `{"active":false,"sub":7,"exp":"x"}`, rejected: "unknown token"},
		"a username":                      {answer: `{"active":true,"username":"alice","client_id":"c"}`, subject: "alice"},
		"a username, empty sub":           {answer: `{"active":true,"sub":"","username":"alice"}`, subject: "alice"},
		"sub before username":             {answer: `{` + alice + `,"username":"bob"}`, subject: "alice"},
		"a client alone":                  {answer: `{"active":true,"client_id":"alice"}`, rejected: "neither sub nor username"},
		"a sub that is a number":          {answer: `{"active":true,"sub":7,"username":"alice"}`, rejected: "sub: must be a string"},
		"a sub that is the token":         {answer: `{"active":true,"sub":"x-` + identitytest.SecretToken + `"}`, rejected: "holds the token"},
		"no member active":                {answer: `{"sub":"alice"}`, rejected: "no member active"},
		"active is a string":              {answer: `{"active":"true","sub":"alice"}`, rejected: "active: must be true or false, not a string"},
		"active is a number":              {answer: `{"active":1,"sub":"alice"}`, rejected: "active: must be true or false"},
		"active is null":                  {answer: `{"active":null,"sub":"alice"}`, rejected: "active: must be true or false"},
		"active twice":                    {answer: `{"active":false,"active":true,"sub":"alice"}`, rejected: "duplicate name"},
		"sub twice, once escaped":         {answer: `{` + alice + `,"s\u0075b":"root"}`, rejected: "duplicate name"},
		"ACTIVE":                          {answer: `{"ACTIVE":true,"sub":"alice"}`, rejected: "no member active"},
		"empty":                           {answer: ``, fault: "ends too early", provoked: true},
		"half":                            {answer: `{` + alice, fault: "ends too early", provoked: true},
		"more than one":                   {answer: `{` + alice + `}{}`, fault: "data after the document", provoked: true},
		"a list":                          {answer: `[{` + alice + `}]`, rejected: "is a list, not an object"},
		"null":                            {answer: `null`, rejected: "not an object"},
		"invalid UTF-8":                   {answer: "{" + alice + ",\"a\":\"\xff\"}", rejected: "UTF-8"},
		"text that quotes the token":      {answer: identitytest.SecretToken, fault: "not valid JSON at byte", provoked: true},
		"an escape that quotes it":        {answer: `{` + alice + `,"a":"\` + identitytest.SecretToken + `"}`, fault: "not JSON that is accepted", provoked: true},
		"a name that quotes it, twice":    {answer: `{` + alice + `,"` + identitytest.SecretToken + `":1,"` + identitytest.SecretToken + `":1}`, rejected: "duplicate name"},
		"names that hold it":              {answer: `{` + alice + `,"` + identitytest.SecretToken + `":1,"a` + identitytest.SecretToken + `":1}`, rejected: "hold the token"},
		"nested deeply":                   {answer: `{` + alice + `,"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, rejected: "nested"},
		"huge":                            {answer: `{` + alice + `,"a":"` + strings.Repeat("x", maxIntrospectionBytes) + `"}`, rejected: "more than 262144 bytes"},
		"HTML":                            {contentType: "text/html", answer: `{` + alice + `}`, fault: "not of type application/json", provoked: true},
		"no type":                         {contentType: "x", answer: `{` + alice + `}`, fault: "not of type application/json", provoked: true},
		"a signed answer":                 {contentType: "application/token-introspection+jwt", answer: `{` + alice + `}`, fault: "not of type application/json", provoked: true},
		"a type with a parameter":         {contentType: "application/json; charset=utf-8", answer: `{` + alice + `}`, subject: "alice"},
		"a type in other case":            {contentType: "Application/JSON", answer: `{` + alice + `}`, subject: "alice"},
		"401":                             {status: 401, answer: `{"error":"invalid_client"}`, fault: "Verdict's own clientID", provoked: true},
		"403":                             {status: 403, answer: `{` + alice + `}`, fault: "Verdict's own clientID", provoked: true},
		"400":                             {status: 400, answer: `{"error":"invalid_request"}`, fault: "status 400", provoked: true},
		"404":                             {status: 404, answer: `{` + alice + `}`, fault: "status 404", provoked: true},
		"429":                             {status: 429, fault: "status 429"},
		"500":                             {status: 500, answer: `{` + alice + `}`, fault: "status 500"},
		"503":                             {status: 503, fault: "status 503"},
		"201":                             {status: 201, answer: `{` + alice + `}`, fault: "status 201", provoked: true},
		"302":                             {status: 302, answer: `{` + alice + `}`, fault: "status 302", provoked: true},
		"expires":                         {answer: fmt.Sprintf(`{%s,"exp":%d}`, alice, identitytest.Unix(time.Hour)), subject: "alice", expires: identitytest.Noon.Add(time.Hour)},
		"expired within the leeway":       {answer: fmt.Sprintf(`{%s,"exp":%d}`, alice, identitytest.Unix(-9*time.Second)), subject: "alice", expires: identitytest.Noon.Add(-9 * time.Second)},
		"expired":                         {answer: fmt.Sprintf(`{%s,"exp":%d}`, alice, identitytest.Unix(-10*time.Second)), rejected: "expired"},
		"expired in 1970":                 {answer: `{` + alice + `,"exp":0}`, rejected: "expired"},
		"expires with a fraction":         {answer: fmt.Sprintf(`{%s,"exp":%d.5}`, alice, identitytest.Unix(0)), subject: "alice", expires: identitytest.Noon.Add(time.Second / 2)},
		"exp is a string":                 {answer: fmt.Sprintf(`{%s,"exp":"%d"}`, alice, identitytest.Unix(time.Hour)), rejected: "exp: must be a number"},
		"exp is null":                     {answer: `{` + alice + `,"exp":null}`, subject: "alice"},
		"exp is enormous":                 {answer: `{` + alice + `,"exp":1e300}`, rejected: "exp: is not a time"},
		"exp is negative":                 {answer: `{` + alice + `,"exp":-1}`, rejected: "exp: is not a time"},
		"valid from now on":               {answer: fmt.Sprintf(`{%s,"nbf":%d}`, alice, identitytest.Unix(10*time.Second)), subject: "alice"},
		"not valid yet":                   {answer: fmt.Sprintf(`{%s,"nbf":%d}`, alice, identitytest.Unix(11*time.Second)), early: identitytest.Noon.Add(time.Second)},
		"issued ahead":                    {answer: fmt.Sprintf(`{%s,"iat":%d,"nbf":%d}`, alice, identitytest.Unix(30*time.Second), identitytest.Unix(11*time.Second)), early: identitytest.Noon.Add(20 * time.Second)},
		"issued ahead, not verified":      {options: func(o *Options) { o.Leeway.IssuedAt = nil }, answer: fmt.Sprintf(`{%s,"iat":%d}`, alice, identitytest.Unix(30*time.Second)), subject: "alice"},
		"issued at no time, not verified": {options: func(o *Options) { o.Leeway.IssuedAt = nil }, answer: `{` + alice + `,"iat":"noon"}`, subject: "alice"},
		"nbf is a string":                 {answer: `{` + alice + `,"nbf":"x"}`, rejected: "nbf: must be a number"},
		"a bearer token":                  {answer: `{` + alice + `,"token_type":"bearer"}`, subject: "alice"},
		"a DPoP token":                    {answer: `{` + alice + `,"token_type":"DPoP"}`, rejected: "not a bearer token"},
		"a refresh token":                 {answer: `{` + alice + `,"token_type":"Refresh"}`, rejected: "not a bearer token"},
		"token_type is a list":            {answer: `{` + alice + `,"token_type":["Bearer"]}`, rejected: "token_type: must be a string"},
		"bound to a certificate":          {answer: `{` + alice + `,"token_type":"Bearer","cnf":{"x5t#S256":"x"}}`, rejected: "bound to a key"},
		"bound to something odd":          {answer: `{` + alice + `,"cnf":"x"}`, rejected: "bound to a key"},
		"bound to nothing":                {answer: `{` + alice + `,"cnf":null}`, subject: "alice"},
		"no issuer asked for":             {answer: `{` + alice + `,"iss":["x"]}`, subject: "alice"},
		"the issuer":                      {options: ofIssuer, answer: `{` + alice + `,"iss":"https://idp.example"}`, subject: "alice"},
		"another issuer":                  {options: ofIssuer, answer: `{` + alice + `,"iss":"https://idp.example/"}`, rejected: "iss is not"},
		"no issuer":                       {options: ofIssuer, answer: `{` + alice + `}`, rejected: "iss is not"},
		"an issuer that is a list":        {options: ofIssuer, answer: `{` + alice + `,"iss":["https://idp.example"]}`, rejected: "iss: must be a string"},
		"an audience":                     {answer: `{` + alice + `,"aud":"a"}`, subject: "alice", audiences: []string{"a"}},
		"audiences":                       {answer: `{` + alice + `,"aud":["a","b"]}`, subject: "alice", audiences: []string{"a", "b"}},
		"aud is null":                     {answer: `{` + alice + `,"aud":null}`, subject: "alice"},
		"aud is empty":                    {answer: `{` + alice + `,"aud":[]}`, rejected: "aud names no audience"},
		"aud is an empty string":          {answer: `{` + alice + `,"aud":""}`, rejected: "aud names no audience"},
		"aud is a number":                 {answer: `{` + alice + `,"aud":7}`, rejected: "aud: must be"},
		"aud holds a number":              {answer: `{` + alice + `,"aud":["a",7]}`, rejected: "aud[1]: must be a string"},
		"a configured audience":           {options: audiences, answer: `{` + alice + `,"aud":["a","ours"]}`, subject: "alice", audiences: []string{"a", "ours"}, accepted: true},
		"other audiences than those":      {options: audiences, answer: `{` + alice + `,"aud":["a","OURS"]}`, rejected: "none of the configured"},
		"none of the audiences":           {options: audiences, answer: `{` + alice + `}`, rejected: "none of the configured"},
		"aud is empty where one is due":   {options: audiences, answer: `{` + alice + `,"aud":[]}`, rejected: "aud names no audience"},
		"a status before what it claims":  {status: 500, contentType: "text/html", answer: identitytest.SecretToken, fault: "status 500"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, contentType := test.status, test.contentType
			if status == 0 {
				status = 200
			}
			if contentType == "" {
				contentType = "application/json"
			}
			server.says(status, contentType, test.answer)
			source := server.source(t, test.options)
			verified, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
			identitytest.HidesSecrets(t, err)
			switch {
			case test.fault != "":
				identitytest.IsFault(t, err, test.fault)
				if !strings.HasPrefix(err.Error(), "identity source staff: POST 127.0.0.1:") {
					t.Errorf("%v does not say who was asked", err)
				}
				if remote.IsProvoked(err) != test.provoked {
					t.Errorf("%v counts wrongly", err)
				}
			case test.rejected != "":
				if !errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), test.rejected) {
					t.Errorf("got %v, want a refusal with %q", err, test.rejected)
				}
			case !test.early.IsZero():
				if early, ok := errors.AsType[*identity.NotYetValidError](err); !ok || !early.From.Equal(test.early) || early.Fixed {
					t.Errorf("got %v, want one that is valid from %s on", err, test.early)
				}
			case err != nil:
				t.Error(err)
			case verified.Subject != test.subject || fmt.Sprint(verified.Audiences) != fmt.Sprint(test.audiences) ||
				verified.AudiencesAccepted != test.accepted || !verified.Expires.Equal(test.expires):
				t.Errorf("got %+v", verified)
			}
			if err != nil && verified.Subject != "" {
				t.Error("an identity with an error")
			}
		})
	}
}

func ofIssuer(o *Options)  { o.Issuer = "https://idp.example" }
func audiences(o *Options) { o.Audiences = []string{"x", "ours"} }

func TestIntrospectionShowsNoToken(t *testing.T) {
	server := newAuthorizationServer(t)
	text, err := json.Marshal(map[string]any{
		"active": true, "sub": "alice", "jti": identitytest.SecretToken, "url": "https://idp.example/" + url.PathEscape(identitytest.SecretToken),
		"deep": []any{map[string]any{"a": "Bearer " + identitytest.SecretToken, identitytest.SecretToken: 1}}, "query": "?a=" + url.QueryEscape(identitytest.SecretToken),
	})
	identitytest.Must(t, err)
	server.says(200, "application/json", strings.ReplaceAll(string(text), "s3", `\u00733`))
	verified, err := server.source(t, nil).Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
	identitytest.Must(t, err)
	got := identitytest.SortedJSON(t, verified.Claims.Text())
	if want := `{"active":true,"deep":[{"[token]":1,"a":"[token]"}],"jti":"[token]","query":"[token]","sub":"alice","url":"[token]"}`; got != want {
		t.Errorf("claims\n%s, want\n%s", got, want)
	}
}

func TestIntrospectionOptions(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"secret": "x", "empty": "", "newline": "\r\n"} {
		identitytest.Write(t, filepath.Join(dir, name), content)
	}
	for name, test := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"good":                    {func(*Options) {}, ""},
		"a certificate":           {func(o *Options) { o.ClientSecretFile, o.MutualTLS = "", true }, ""},
		"no URL":                  {func(o *Options) { o.URL = "" }, "url is not a URL"},
		"plain http":              {func(o *Options) { o.URL = "http://idp.example" }, "plain http"},
		"no client":               {func(o *Options) { o.ClientID = "" }, "clientID is missing"},
		"nothing to authenticate": {func(o *Options) { o.ClientSecretFile = "" }, "set clientSecretFile"},
		"no such secret":          {func(o *Options) { o.ClientSecretFile = filepath.Join(dir, "missing") }, "does not exist"},
		"an empty secret":         {func(o *Options) { o.ClientSecretFile = filepath.Join(dir, "empty") }, "is empty"},
		"a secret of a newline":   {func(o *Options) { o.ClientSecretFile = filepath.Join(dir, "newline") }, "is empty"},
		"an empty audience":       {func(o *Options) { o.Audiences = []string{"a", ""} }, "audiences"},
		"a format that is none":   {func(o *Options) { o.Tokens.Format = "JWT" }, "use opaque, jwt or any"},
		"an empty prefix":         {func(o *Options) { o.Tokens.Prefixes = []string{""} }, "prefixes[0]"},
		"a prefix with a space":   {func(o *Options) { o.Tokens.Prefixes = []string{"a", "b c"} }, "prefixes[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			options := Options{Name: "staff", URL: "https://idp.example", ClientID: "a", ClientSecretFile: filepath.Join(dir, "secret")}
			test.change(&options)
			source, err := New(options, http.DefaultClient)
			if test.says == "" {
				identitytest.Must(t, err)
				if source.Name() != "staff" || !source.Remote() || source.Ready() != nil || source.Generation() != 0 {
					t.Error("it is not what it should be")
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "identity source staff: ") {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func TestIntrospectionReadsTheSecretAgain(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	server := newAuthorizationServer(t)
	server.says(200, "application/json", `{"active":true,"sub":"alice"}`)
	path := filepath.Join(t.TempDir(), "secret")
	identitytest.Write(t, path, "first\n")
	source := server.source(t, func(o *Options) { o.ClientSecretFile = path })
	w := &identitytest.Watched{Reloads: make(chan struct{}, 100), Errors: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { source.Watch(ctx, func() { w.Reloads <- struct{}{} }, func(err error) { w.Errors <- err }) })
	t.Cleanup(func() { cancel(); running.Wait() })
	sends := func(want string) {
		t.Helper()
		deadline := time.Now().Add(identitytest.Patience)
		for {
			_, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
			identitytest.Must(t, err)
			_, secret, _ := server.last().BasicAuth()
			if secret == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("sent %s, want %s", secret, want)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	sends("first")
	identitytest.Write(t, path, "second\r\n")
	sends("second")
	identitytest.Write(t, path, "\n")
	w.ErrorAmongOthers(t, "is empty")
	sends("second")
	identitytest.Write(t, path, "second")
	w.Reload(t) // it is good again
	identitytest.Write(t, path, "third")
	sends("third")
}

func TestIntrospectionProbe(t *testing.T) {
	server := newAuthorizationServer(t)
	source := server.source(t, func(o *Options) { o.Tokens.Prefixes = []string{"idp_"} })
	for answer, says := range map[string]string{
		`{"active":false}`:              "",
		`{"active":true,"sub":"alice"}`: "random token is said to be active",
		`{}`:                            "no member active",
		`<html>`:                        "not valid JSON",
		`{"active":false}` + identitytest.SecretClient: "not valid JSON",
	} {
		server.says(200, "application/json", answer)
		err := source.Probe(t.Context())
		if says == "" {
			identitytest.Must(t, err)
		} else {
			identitytest.IsFault(t, err, says)
		}
		if token := server.last().PostForm.Get("token"); !strings.HasPrefix(token, "idp_") || len(token) < 40 {
			t.Errorf("asked about %q", token)
		}
	}
	server.says(401, "", "")
	identitytest.IsFault(t, source.Probe(t.Context()), "Verdict's own clientID")
	server.Close()
	identitytest.IsFault(t, source.Probe(t.Context()), "POST 127.0.0.1")
}

func TestRemoteSourcesAreAskedAboutTheirTokens(t *testing.T) {
	const jwt, opaque = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "idp_abc"
	for name, test := range map[string]struct {
		tokens remote.Tokens
		token  string
		want   bool
	}{
		"opaque":                   {remote.Tokens{}, opaque, true},
		"opaque, a JWT":            {remote.Tokens{Format: remote.TokenFormatOpaque}, jwt, false},
		"jwt":                      {remote.Tokens{Format: remote.TokenFormatJWT}, jwt, true},
		"jwt, an opaque one":       {remote.Tokens{Format: remote.TokenFormatJWT}, opaque, false},
		"any":                      {remote.Tokens{Format: remote.TokenFormatAny}, opaque, true},
		"any, a JWT":               {remote.Tokens{Format: remote.TokenFormatAny}, jwt, true},
		"a prefix":                 {remote.Tokens{Prefixes: []string{"x_", "idp_"}}, opaque, true},
		"another prefix":           {remote.Tokens{Prefixes: []string{"IDP_", "_abc"}}, opaque, false},
		"a prefix of a JWT":        {remote.Tokens{Prefixes: []string{"eyJ"}}, jwt, false},
		"empty":                    {remote.Tokens{Format: remote.TokenFormatAny}, "", false},
		"a space":                  {remote.Tokens{Format: remote.TokenFormatAny}, "a b", false},
		"a space at the end":       {remote.Tokens{Format: remote.TokenFormatAny}, "a ", false},
		"a newline":                {remote.Tokens{Format: remote.TokenFormatAny}, "a\r\nHost: b", false},
		"NUL":                      {remote.Tokens{Format: remote.TokenFormatAny}, "a\x00", false},
		"DEL":                      {remote.Tokens{Format: remote.TokenFormatAny}, "a\x7f", false},
		"not ASCII":                {remote.Tokens{Format: remote.TokenFormatAny}, "ä", false},
		"every visible character":  {remote.Tokens{}, `!"#$%&'()*+,-./09:;<=>?@AZ[\]^_` + "`az{|}~", true},
		"a dot that makes no JWT":  {remote.Tokens{}, "a.b", true},
		"dots that make no JWT":    {remote.Tokens{Format: remote.TokenFormatJWT}, "a.b.", false},
		"a token longer than many": {remote.Tokens{}, strings.Repeat("a", 60_000), true},
	} {
		t.Run(name, func(t *testing.T) {
			source := &Source{options: Options{Tokens: test.tokens}}
			if got := source.Applies(sources.ParseToken(test.token)); got != test.want {
				t.Errorf("applies: %v", got)
			}
			if test.want {
				return
			}
			if _, err := source.Verify(t.Context(), sources.ParseToken(test.token)); !errors.Is(err, identity.ErrUnknownToken) {
				t.Errorf("got %v, want %v without asking", err, identity.ErrUnknownToken)
			}
		})
	}
}

func TestIntrospectionTimeout(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	server := newAuthorizationServer(t)
	server.reply = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	source := server.source(t, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	began := time.Now()
	_, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
	identitytest.IsFault(t, err, "no answer in time")
	if took := time.Since(began); took > identitytest.Patience/2 {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = source.Verify(ctx, sources.ParseToken(identitytest.SecretToken))
	identitytest.IsFault(t, err, "context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Error("the error is not that of the context")
	}
}

func TestIntrospectionConcurrently(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	server := newAuthorizationServer(t)
	server.reply = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":true,"sub":"of %s"}`, r.PostForm.Get("token"))
	}
	source := server.source(t, nil)
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for j := range 20 {
				token := fmt.Sprintf("token%d-%d", i, j)
				verified, err := source.Verify(t.Context(), sources.ParseToken(token))
				// What holds a short token is left as it is.
				if err != nil || verified.Subject != "of "+token {
					t.Errorf("%s: %q, %v", token, verified.Subject, err)
				}
			}
		})
	}
	asking.Wait()
}

func evenLeeway(d time.Duration) (l sources.Leeway) {
	l.SetDuration(d)
	return l
}
