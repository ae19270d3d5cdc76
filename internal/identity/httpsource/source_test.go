package httpsource

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/remote/remotetest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// oneRequest are options that are good, but for what change makes of them.
func oneRequest(change func(*Request)) Options {
	request := Request{URL: "/whoami", Headers: map[string]string{"X-Token": "{token}"}}
	if change != nil {
		change(&request)
	}
	return Options{
		Name: "company", BaseURL: "https://api.example", AllowedHosts: []string{"api.example"},
		Requests: []Request{request}, Subject: "id",
	}
}

func TestHTTPSourceOptions(t *testing.T) {
	of := func(change func(*Options)) Options {
		options := oneRequest(nil)
		change(&options)
		return options
	}
	for name, test := range map[string]struct {
		options Options
		says    string // "" when it is good
	}{
		"good":                             {oneRequest(nil), ""},
		"no requests":                      {of(func(o *Options) { o.Requests = nil }), "requests is empty"},
		"no hosts":                         {of(func(o *Options) { o.AllowedHosts = nil }), "allowedHosts is empty"},
		"an empty host":                    {of(func(o *Options) { o.AllowedHosts = []string{""} }), "allowedHosts[0]"},
		"a host with a scheme":             {of(func(o *Options) { o.AllowedHosts = []string{"https://api.example"} }), "allowedHosts[0]"},
		"a host with a path":               {of(func(o *Options) { o.AllowedHosts = []string{"api.example", "api.example/"} }), "allowedHosts[1]"},
		"a host with a user":               {of(func(o *Options) { o.AllowedHosts = []string{"a@api.example"} }), "allowedHosts[0]"},
		"a host with its usual port":       {of(func(o *Options) { o.AllowedHosts = []string{"API.example:443"} }), ""},
		"a host with another port":         {of(func(o *Options) { o.AllowedHosts = []string{"api.example:8443"} }), "goes to api.example, which allowedHosts does not list"},
		"another host":                     {of(func(o *Options) { o.AllowedHosts = []string{"example"} }), "allowedHosts does not list"},
		"no base":                          {of(func(o *Options) { o.BaseURL = "" }), "no baseURL"},
		"a base of plain http":             {of(func(o *Options) { o.BaseURL = "http://api.example" }), "baseURL is plain http"},
		"a base with a query":              {of(func(o *Options) { o.BaseURL = "https://api.example?a=b" }), "baseURL has a query"},
		"a base with the token":            {of(func(o *Options) { o.BaseURL = "https://api.example/{token}" }), "baseURL has a query or {token}"},
		"a base of this machine":           {of(func(o *Options) { o.BaseURL, o.AllowedHosts = "http://localhost:80", []string{"localhost"} }), ""},
		"no subject":                       {of(func(o *Options) { o.Subject = "" }), "subject"},
		"half a subject":                   {of(func(o *Options) { o.Subject = "user." }), "subject"},
		"half an expiry":                   {of(func(o *Options) { o.Expires = ".a" }), "expires"},
		"an unknown format":                {of(func(o *Options) { o.Tokens.Format = "x" }), "tokens.format"},
		"two requests for one claim":       {of(func(o *Options) { o.Requests = append(o.Requests, o.Requests[0]) }), "requests[1].claim"},
		"another method":                   {oneRequest(func(r *Request) { r.Method = "get" }), "requests[0].method"},
		"no URL":                           {oneRequest(func(r *Request) { r.URL = "" }), "requests[0].url is not a URL"},
		"a relative URL":                   {oneRequest(func(r *Request) { r.URL = "whoami" }), "requests[0].url is not a URL"},
		"another host than the base's":     {oneRequest(func(r *Request) { r.URL = "https://evil.example/" }), "allowedHosts does not list"},
		"a host that begins the same":      {oneRequest(func(r *Request) { r.URL = "https://api.example.evil.example/" }), "allowedHosts does not list"},
		"two slashes do not change it":     {oneRequest(func(r *Request) { r.URL = "//evil.example/" }), ""},
		"a user":                           {oneRequest(func(r *Request) { r.URL = "https://a@api.example/" }), "user before the host"},
		"the token in the path":            {oneRequest(func(r *Request) { r.URL = "/tokens/{token}" }), ""},
		"the token in the query":           {oneRequest(func(r *Request) { r.URL = "/tokens?t={token}" }), ""},
		"the token for a host":             {oneRequest(func(r *Request) { r.URL = "https://{token}/" }), "scheme or host"},
		"the token in the host":            {oneRequest(func(r *Request) { r.URL = "https://{token}.api.example/" }), "scheme or host"},
		"the token for a port":             {oneRequest(func(r *Request) { r.URL = "https://api.example:{token}/" }), "scheme or host"},
		"the token for a user":             {oneRequest(func(r *Request) { r.URL = "https://{token}@api.example/" }), "user before the host"},
		"the token for a fragment":         {oneRequest(func(r *Request) { r.URL = "/#{token}" }), "fragment"},
		"no token":                         {oneRequest(func(r *Request) { r.Headers = nil }), "no request proves the token"},
		"a token that may be absent":       {oneRequest(func(r *Request) { r.Absent = []int{404} }), "no request proves the token"},
		"a name with a space":              {oneRequest(func(r *Request) { r.Headers["a b"] = "c" }), "cannot be the name"},
		"no name":                          {oneRequest(func(r *Request) { r.Headers[""] = "c" }), "cannot be the name"},
		"the token in a name":              {oneRequest(func(r *Request) { r.Headers["{token}"] = "c" }), "cannot be the name"},
		"a name twice":                     {oneRequest(func(r *Request) { r.Headers["x-token"] = "c" }), "twice"},
		"a host header":                    {oneRequest(func(r *Request) { r.Headers["host"] = "c" }), "the connection decides"},
		"a length":                         {oneRequest(func(r *Request) { r.Headers["Content-Length"] = "9" }), "the connection decides"},
		"a newline in a value":             {oneRequest(func(r *Request) { r.Headers["A"] = "b\r\nC: d" }), "printable ASCII"},
		"pages":                            {oneRequest(func(r *Request) { r.Pages = 100 }), ""},
		"too many pages":                   {oneRequest(func(r *Request) { r.Pages = 101 }), "pages is 101"},
		"fewer pages than none":            {oneRequest(func(r *Request) { r.Pages = -1 }), "pages is -1"},
		"pages by POST":                    {oneRequest(func(r *Request) { r.Pages, r.Method = 2, "POST" }), "GET only"},
		"nothing accepted":                 {oneRequest(func(r *Request) { r.Accepted = []int{} }), "accepted is empty"},
		"nothing rejected":                 {oneRequest(func(r *Request) { r.Rejected = []int{} }), ""},
		"an error accepted":                {oneRequest(func(r *Request) { r.Accepted = []int{200, 404} }), "accepted has 404"},
		"a redirect accepted":              {oneRequest(func(r *Request) { r.Accepted = []int{302} }), "accepted has 302"},
		"a fault rejected":                 {oneRequest(func(r *Request) { r.Rejected = []int{500} }), "rejected has 500"},
		"a limit rejected":                 {oneRequest(func(r *Request) { r.Rejected = []int{429} }), "rejected has 429"},
		"a limit absent":                   {oneRequest(func(r *Request) { r.Absent = []int{429} }), "absent has 429"},
		"a redirect absent":                {oneRequest(func(r *Request) { r.Absent = []int{304} }), "absent has 304"},
		"one status twice":                 {oneRequest(func(r *Request) { r.Absent = []int{401} }), "as rejected does"},
		"one status twice in the same way": {oneRequest(func(r *Request) { r.Rejected = []int{401, 401} }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := New(test.options, http.DefaultClient)
			if test.says == "" {
				identitytest.Must(t, err)
				if source.Name() != "company" || !source.Remote() || source.Ready() != nil || source.Generation() != 0 {
					t.Error("it is not what it should be")
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "identity source company: ") {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

// httpSource is a source of the server that handler serves.
func httpSource(t *testing.T, handler http.HandlerFunc, options Options) *Source {
	t.Helper()
	server := identitytest.TLSServer(t, handler)
	options.BaseURL, options.AllowedHosts = server.URL, []string{strings.TrimPrefix(server.URL, "https://")}
	options.Now = func() time.Time { return identitytest.Noon }
	source, err := New(options, remotetest.ClientOf(t, server, 0))
	identitytest.Must(t, err)
	return source
}

func TestHTTPSourceSendsTheToken(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	const token = "a+b/c=d?e&f%2F#g"
	var asked *http.Request
	serve := func(w http.ResponseWriter, r *http.Request) {
		asked = r
		_, _ = io.WriteString(w, `{"id":"alice"}`)
	}
	t.Run("header and query", func(t *testing.T) {
		source := httpSource(t, serve, oneRequest(func(r *Request) {
			r.Method, r.URL = "POST", "/check/?a={token}&b=c&d=x{token}"
			r.Headers = map[string]string{"authorization": "token {token}, {token}", "accept": "text/json", "User-Agent": "me"}
		}))
		_, err := source.Verify(t.Context(), sources.ParseToken(token))
		identitytest.Must(t, err)
		if got := asked.Method + " " + asked.URL.RequestURI(); got != "POST /check/?a="+url.QueryEscape(token)+"&b=c&d=x"+url.QueryEscape(token) {
			t.Errorf("asked %s", got)
		}
		if asked.Header.Get("Authorization") != "token "+token+", "+token || asked.Header.Get("Accept") != "text/json" || asked.UserAgent() != "me" || asked.ContentLength > 0 {
			t.Errorf("asked with %v", asked.Header)
		}
	})
	t.Run("path", func(t *testing.T) {
		source := httpSource(t, serve, oneRequest(func(r *Request) { r.URL = "/tokens/{token}/user" }))
		_, err := source.Verify(t.Context(), sources.ParseToken("a.b~c=+d"))
		identitytest.Must(t, err)
		if asked.URL.Path != "/tokens/a.b~c=+d/user" {
			t.Errorf("asked %s", asked.URL.RequestURI())
		}
		asked = nil
		for _, token := range []string{".", "..", "...", "a/b", "../admin", `..\admin`, "a%2Fb", "a;b", "a?b", "a#b", "a:b", "a@b"} {
			if _, err := source.Verify(t.Context(), sources.ParseToken(token)); !errors.Is(err, identity.ErrUnknownToken) || asked != nil {
				t.Errorf("%s was asked about: %v", token, err)
			}
		}
	})
}

func TestHTTPSourceAnswers(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	for name, test := range map[string]struct {
		status   int // 0 means 200
		answer   string
		subject  string // the path; "" means id
		expires  string // the path
		claim    string
		is       string // the subject
		until    time.Time
		rejected string
		fault    string
	}{
		"a string":                     {answer: `{"id":"alice"}`, is: "alice"},
		"a number":                     {answer: `{"id":7}`, is: "7"},
		"zero":                         {answer: `{"id":0}`, is: "0"},
		"a negative number":            {answer: `{"id":-7}`, is: "-7"},
		"more digits than a float has": {answer: `{"id":12345678901234567891}`, is: "12345678901234567891"},
		"negative zero":                {answer: `{"id":-0}`, rejected: "string or a whole number"},
		"a fraction":                   {answer: `{"id":7.0}`, rejected: "string or a whole number"},
		"an exponent":                  {answer: `{"id":1e3}`, rejected: "string or a whole number"},
		"a list":                       {answer: `{"id":["alice"]}`, rejected: "not a list"},
		"true":                         {answer: `{"id":true}`, rejected: "not a boolean"},
		"null":                         {answer: `{"id":null}`, rejected: "nothing at id"},
		"nothing":                      {answer: `{}`, rejected: "nothing at id"},
		"empty":                        {answer: `{"id":""}`, rejected: "is empty"},
		"too long":                     {answer: `{"id":"` + strings.Repeat("x", maxSubjectBytes+1) + `"}`, rejected: "more than 1024 bytes"},
		"the token":                    {answer: `{"id":"` + identitytest.SecretToken + `"}`, rejected: "holds the token"},
		"below":                        {answer: `{"a":{"b":{"c":"alice"}}}`, subject: "a.b.c", is: "alice"},
		"below something else":         {answer: `{"a":[{"c":"alice"}]}`, subject: "a.0.c", rejected: "nothing at a.0.c"},
		"in a claim":                   {answer: `{"id":"alice"}`, claim: "me", subject: "me.id", is: "alice"},
		"in a claim with odd letters":  {answer: `{"id":"alice"}`, claim: `"<ü>"`, subject: `"<ü>".id`, is: "alice"},
		"a text as a claim":            {answer: ` "alice" `, claim: "me", subject: "me", is: "alice"},
		"a list as the claims":         {answer: `["alice"]`, rejected: "has to be an object, not a list"},
		"a text as the claims":         {answer: `"alice"`, rejected: "has to be an object, not a string"},
		"until a number":               {answer: fmt.Sprintf(`{"id":1,"exp":%d}`, identitytest.Unix(time.Hour)), expires: "exp", is: "1", until: identitytest.Noon.Add(time.Hour)},
		"until a text":                 {answer: `{"id":1,"exp":"` + identitytest.Noon.Add(time.Hour).Format(time.RFC3339) + `"}`, expires: "exp", is: "1", until: identitytest.Noon.Add(time.Hour)},
		"until nobody says":            {answer: `{"id":1}`, expires: "exp.at", is: "1"},
		"until null":                   {answer: `{"id":1,"exp":null}`, expires: "exp", is: "1"},
		"until now":                    {answer: fmt.Sprintf(`{"id":1,"exp":%d}`, identitytest.Unix(0)), expires: "exp", rejected: "expired"},
		"until a date":                 {answer: `{"id":1,"exp":"2030-01-01"}`, expires: "exp", rejected: "RFC 3339"},
		"until an empty text":          {answer: `{"id":1,"exp":""}`, expires: "exp", rejected: "RFC 3339"},
		"until the zero time":          {answer: `{"id":1,"exp":"0001-01-01T00:00:00Z"}`, expires: "exp", rejected: "RFC 3339"},
		"until true":                   {answer: `{"id":1,"exp":true}`, expires: "exp", rejected: "a number or a string, not a boolean"},
		"until the end of time":        {answer: `{"id":1,"exp":1e20}`, expires: "exp", rejected: "not a time"},
		"401":                          {status: 401, answer: identitytest.SecretToken, rejected: "status 401"},
		"403":                          {status: 403, answer: identitytest.SecretToken, fault: "status 403"},
		"500":                          {status: 500, answer: `{"id":1}`, fault: "status 500"},
		"204":                          {status: 204, fault: "status 204"},
		"201":                          {status: 201, answer: `{"id":1}`, fault: "status 201"},
		"invalid UTF-8":                {answer: "{\"id\":\"a\xff\"}", rejected: "UTF-8"},
		"a deep document":              {answer: `{"id":1,"a":` + strings.Repeat("[", 127) + strings.Repeat("]", 127) + `}`, is: "1"},
		"deeper in a claim":            {answer: strings.Repeat("[", 128) + strings.Repeat("]", 128), claim: "a", rejected: "put together"},
	} {
		t.Run(name, func(t *testing.T) {
			options := oneRequest(func(r *Request) { r.Claim = test.claim })
			if test.subject != "" {
				options.Subject = test.subject
			}
			options.Expires = test.expires
			source := httpSource(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.status != 0 {
					w.WriteHeader(test.status)
				}
				_, _ = io.WriteString(w, test.answer)
			}, options)
			verified, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
			identitytest.HidesSecrets(t, err)
			switch {
			case test.fault != "":
				identitytest.IsFault(t, err, test.fault)
			case test.rejected != "":
				if !errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), test.rejected) {
					t.Errorf("got %v, want a refusal with %q", err, test.rejected)
				}
			case err != nil:
				t.Error(err)
			case verified.Subject != test.is || !verified.Expires.Equal(test.until) || verified.Source != "company" || verified.Type != "http":
				t.Errorf("got %+v", verified)
			}
			if err != nil && verified.Subject != "" {
				t.Error("an identity with an error")
			}
		})
	}
}

// TestHTTPSourcePutsAnswersTogether has one answer for the claims and others in
// them.
func TestHTTPSourcePutsAnswersTogether(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	answers := map[string]string{"/me": ` { "id" : 7, "note": "` + identitytest.SecretToken + `" } `, "/groups": `[ ]`, "/empty": `{}`, "/gone": ""}
	asked := 0
	serve := func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer := answers[r.URL.Path]
		if answer == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}
	options := oneRequest(func(r *Request) { r.URL = "/me" })
	options.Requests = append(options.Requests,
		Request{URL: "/groups", Claim: "groups"}, Request{URL: "/empty", Claim: "empty"},
		Request{URL: "/gone", Claim: "gone", Absent: []int{404}})
	source := httpSource(t, serve, options)
	verify := func(want, says string) {
		t.Helper()
		verified, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken))
		if says != "" {
			identitytest.IsFault(t, err, says)
			return
		}
		identitytest.Must(t, err)
		text := identitytest.SortedJSON(t, verified.Claims.Text())
		if text != want {
			t.Errorf("claims %s, want %s", text, want)
		}
	}
	verify(`{"empty":{},"groups":[],"id":7,"note":"[token]"}`, "")
	answers["/gone"] = "1"
	verify(`{"empty":{},"gone":1,"groups":[],"id":7,"note":"[token]"}`, "")
	answers["/me"] = `{"id":7,"groups":["root"]}`
	if _, err := source.Verify(t.Context(), sources.ParseToken(identitytest.SecretToken)); true {
		identitytest.IsRefused(t, err, "duplicate name")
	}
	answers["/me"] = ""
	asked = 0
	verify("", "status 404")
	if asked != 1 {
		t.Errorf("%d requests after one that failed", asked)
	}
}

func FuzzHTTPSourceAnswer(f *testing.F) {
	for _, text := range []string{
		`{"user":{"id":7},"exp":1900000000}`, `{"user":{"id":"alice"},"exp":"2030-01-01T00:00:00Z"}`, `{"user":{"id":"` + identitytest.SecretToken + `"}}`,
		`{"user":null}`, `{"user":{"id":1e5}}`, `{"exp":{}}`, `[]`, `{"user":{"\u0069d":""}}`, `{"` + identitytest.SecretToken + `":"a"}`, `{"user":{"id":"\ud83d\ude00"}}`,
	} {
		f.Add([]byte(text))
	}
	source := &Source{options: Options{Name: "a", Subject: "user.id", Expires: "exp", Now: func() time.Time { return identitytest.Noon }}}
	token := sources.ParseToken(identitytest.SecretToken)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := document.ParseObject(text); err != nil {
			identitytest.HidesSecrets(t, sources.InvalidJSON(err))
			return
		}
		text, err := remote.WithoutToken(text, token)
		identitytest.HidesSecrets(t, err)
		if err != nil {
			return
		}
		verified, err := source.identityOf(text)
		identitytest.HidesSecrets(t, err)
		if err != nil {
			return
		}
		claims := identitytest.SortedJSON(t, verified.Claims.Text())
		if verified.Subject == "" || strings.Contains(claims, identitytest.SecretToken) || !verified.Expires.IsZero() && !verified.Expires.After(identitytest.Noon) {
			t.Errorf("got %+v of %q", verified, text)
		}
	})
}
