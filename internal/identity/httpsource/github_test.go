package httpsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/remote/remotetest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// gitHub imitates what GitHub documents of its REST API: statuses, headers and
// bodies of /user, /user/orgs and /user/teams.
type gitHub struct {
	*httptest.Server
	t       *testing.T
	version string // of the API that is expected

	mu    sync.Mutex
	asked []string
	// orgs and teams are how many the user has; scoped says that the token may
	// list them.
	orgs, teams int
	scoped      bool
	// first answers before anything else, when it returns true.
	first func(w http.ResponseWriter, r *http.Request) bool
}

func newGitHub(t *testing.T) *gitHub {
	t.Helper()
	g := &gitHub{t: t, scoped: true, orgs: 2, teams: 1, version: gitHubServerVersion}
	g.Server = identitytest.TLSServer(t, g.serve)
	return g
}

const goodGitHubToken = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"

func (g *gitHub) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.URL.RequestURI())
	if g.first != nil && g.first(w, r) {
		return
	}
	if r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http") {
		g.say(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
		return
	}
	if r.Header.Get("X-GitHub-Api-Version") != g.version || r.Header.Get("Accept") != "application/vnd.github+json" {
		g.say(w, http.StatusBadRequest, "Not a supported version")
		return
	}
	header := w.Header()
	header.Set("X-GitHub-Media-Type", "github.v3; format=json")
	header.Set("X-RateLimit-Limit", "5000")
	header.Set("X-RateLimit-Remaining", "4987")
	header.Set("X-RateLimit-Reset", "1700000000")
	header.Set("X-RateLimit-Resource", "core")
	if r.Header.Get("Authorization") != "Bearer "+goodGitHubToken {
		header.Set("X-RateLimit-Remaining", "0") // of the address, not of a user
		g.say(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	switch r.URL.Path {
	case "/user":
		g.write(w, `{"login":"octocat","id":583231,"node_id":"MDQ6VXNlcjU4MzIzMQ==","type":"User","site_admin":false,"name":"The Octocat","email":null}`)
	case "/user/orgs":
		g.list(w, r, g.orgs, func(i int) string {
			return fmt.Sprintf(`{"login":"org-%d","id":%d,"description":"{\"a\": [1, 2]}"}`, i, 1000+i)
		})
	case "/user/teams":
		g.list(w, r, g.teams, func(i int) string {
			return fmt.Sprintf(`{"id":%d,"slug":"team-%d","organization":{"login":"org-0","id":1000}}`, 2000+i, i)
		})
	default:
		g.say(w, http.StatusNotFound, "Not Found")
	}
}

func (g *gitHub) write(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, body)
}

func (g *gitHub) say(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q,"documentation_url":"https://docs.github.com/rest","status":"%d"}`, message, status)
}

func (g *gitHub) list(w http.ResponseWriter, r *http.Request, of int, item func(int) string) {
	if !g.scoped {
		w.Header().Set("X-OAuth-Scopes", "")
		w.Header().Set("X-Accepted-OAuth-Scopes", "admin:org, read:org, repo, user, write:org")
		if r.URL.Path == "/user/orgs" {
			g.say(w, http.StatusForbidden, "You need at least read:org scope or user scope to list your organizations.")
		} else {
			g.say(w, http.StatusNotFound, "Not Found")
		}
		return
	}
	each, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	each, page = max(min(each, 100), 1), max(page, 1)
	last := (of + each - 1) / each
	at := func(page int, relation string) string {
		return fmt.Sprintf(`<%s%s?per_page=%d&page=%d>; rel="%s"`, g.URL, r.URL.Path, each, page, relation)
	}
	var links []string
	if page > 1 {
		links = append(links, at(page-1, "prev"), at(1, "first"))
	}
	if page < last {
		links = append(links, at(page+1, "next"), at(last, "last"))
	}
	if len(links) > 0 {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	var items []string
	for i := (page - 1) * each; i < min(page*each, of); i++ {
		items = append(items, item(i))
	}
	g.write(w, "[\n  "+strings.Join(items, ",\n  ")+"\n]\n")
}

// source is what an Enterprise user would configure.
func (g *gitHub) source(change func(*Options)) *Source {
	g.t.Helper()
	options := Options{Name: "github", BaseURL: g.URL, AllowedHosts: []string{strings.TrimPrefix(g.URL, "https://")}}
	if change != nil {
		change(&options)
	}
	options, err := options.WithPreset("github")
	identitytest.Must(g.t, err)
	source, err := New(options, remotetest.ClientOf(g.t, g.Server, 0))
	identitytest.Must(g.t, err)
	return source
}

// claimsOf are the claims as encoding/json reads them.
func claimsOf(t *testing.T, verified identity.Identity) map[string]any {
	t.Helper()
	var out map[string]any
	identitytest.Must(t, json.Unmarshal([]byte(verified.Claims.Text()), &out))
	return out
}

func loginsIn(list any) (logins []string) {
	items, _ := list.([]any)
	for _, item := range items {
		login, _ := item.(map[string]any)["login"].(string)
		logins = append(logins, login)
	}
	return logins
}

func TestGitHub(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	g := newGitHub(t)
	verified, err := g.source(nil).Verify(t.Context(), sources.ParseToken(goodGitHubToken))
	identitytest.Must(t, err)
	if verified.Source != "github" || verified.Type != "http" || verified.Subject != "583231" || len(verified.Audiences) > 0 || !verified.Expires.IsZero() {
		t.Errorf("got %+v", verified)
	}
	claims := claimsOf(t, verified)
	if got := fmt.Sprint(loginsIn(claims["orgs"])); got != "[org-0 org-1]" {
		t.Errorf("orgs %s", got)
	}
	if user, _ := claims["user"].(map[string]any); user["login"] != "octocat" {
		t.Errorf("user %v", user)
	}
	if teams, _ := claims["teams"].([]any); len(teams) != 1 {
		t.Errorf("teams %v", teams)
	}
	if got := fmt.Sprint(g.asked); got != "[/user /user/orgs?per_page=100 /user/teams?per_page=100]" {
		t.Errorf("asked %s", got)
	}
}

func TestGitHubPages(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	for _, test := range []struct {
		orgs, asked int
		fault       string // why the token is refused
	}{
		{0, 1, ""},
		{100, 1, ""},
		{101, 2, ""},
		{1000, 10, ""},
		{1001, 10, "more than the 10 pages"},
	} {
		t.Run(fmt.Sprint(test.orgs), func(t *testing.T) {
			g := newGitHub(t)
			g.orgs = test.orgs
			verified, err := g.source(nil).Verify(t.Context(), sources.ParseToken(goodGitHubToken))
			asked := len(slices.DeleteFunc(slices.Clone(g.asked), func(uri string) bool { return !strings.HasPrefix(uri, "/user/orgs") }))
			if asked != test.asked {
				t.Errorf("asked %d times, want %d: %s", asked, test.asked, g.asked)
			}
			if test.fault != "" {
				identitytest.IsRefused(t, err, test.fault)
				return
			}
			identitytest.Must(t, err)
			logins := loginsIn(claimsOf(t, verified)["orgs"])
			if len(logins) != test.orgs || len(logins) > 0 && logins[test.orgs-1] != fmt.Sprintf("org-%d", test.orgs-1) {
				t.Errorf("%d orgs", len(logins))
			}
		})
	}
}

func TestGitHubWithoutScopes(t *testing.T) {
	g := newGitHub(t)
	g.scoped = false
	verified, err := g.source(nil).Verify(t.Context(), sources.ParseToken(goodGitHubToken))
	identitytest.Must(t, err)
	claims := claimsOf(t, verified)
	if len(claims) != 1 || verified.Subject != "583231" {
		t.Errorf("got %v", claims)
	}
}

func TestGitHubBadCredentials(t *testing.T) {
	g := newGitHub(t)
	token := strings.Replace(goodGitHubToken, "1", "2", 1)
	_, err := g.source(nil).Verify(t.Context(), sources.ParseToken(token))
	if !errors.Is(err, identity.ErrUnknownToken) || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v, want a refusal", err)
	}
	if len(g.asked) != 1 {
		t.Errorf("asked %s", g.asked)
	}
}

// TestGitHubLimits holds that being over a limit never passes for being in no
// organization.
func TestGitHubLimits(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	const primary = "API rate limit exceeded for user ID 583231."
	const secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
	for name, test := range map[string]struct {
		status  int
		header  map[string]string
		message string
	}{
		"primary, 403":                    {403, map[string]string{"X-RateLimit-Remaining": "0"}, primary},
		"primary, 403, headers alone":     {403, map[string]string{"x-ratelimit-remaining": "0"}, "Forbidden"},
		"primary, 429":                    {429, map[string]string{"X-RateLimit-Remaining": "0"}, primary},
		"secondary, 403":                  {403, map[string]string{"Retry-After": "60", "X-RateLimit-Remaining": "4900"}, secondary},
		"secondary, 403, header alone":    {403, map[string]string{"Retry-After": "60"}, "Forbidden"},
		"secondary, 403, message alone":   {403, map[string]string{"X-RateLimit-Remaining": "4900"}, secondary},
		"secondary, 429":                  {429, map[string]string{"Retry-After": "60"}, secondary},
		"secondary, 429, nothing besides": {429, nil, ""},
		"404 with a limit":                {404, map[string]string{"Retry-After": "60"}, "Not Found"},
	} {
		for _, path := range []string{"/user", "/user/orgs", "/user/teams"} {
			t.Run(name+" of "+path, func(t *testing.T) {
				g := newGitHub(t)
				g.first = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != path {
						return false
					}
					for name, value := range test.header {
						w.Header().Set(name, value)
					}
					g.say(w, test.status, test.message)
					return true
				}
				_, err := g.source(nil).Verify(t.Context(), sources.ParseToken(goodGitHubToken))
				identitytest.IsFault(t, err, strconv.Itoa(test.status))
				if !remote.IsProvoked(err) {
					t.Error("one user's limit counts against the host")
				}
			})
		}
	}
}

func TestGitHubFaults(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	// What is said of the token is odd: it is refused.
	odd := []string{
		"a duplicate", "a page that is an object", "an object with pages", "huge", "no number", "no user", "pages that are huge together", "pages without an end",
	}
	for name, test := range map[string]struct {
		path  string
		reply func(g *gitHub, w http.ResponseWriter)
		says  string
	}{
		"5xx":                    {"/user", func(g *gitHub, w http.ResponseWriter) { g.say(w, 502, "Server Error") }, "status 502"},
		"5xx with Retry-After":   {"/user/orgs", func(g *gitHub, w http.ResponseWriter) { w.Header().Set("Retry-After", "9"); g.say(w, 503, "") }, "status 503"},
		"a version that is gone": {"/user", func(g *gitHub, w http.ResponseWriter) { g.say(w, 410, "Gone") }, "status 410"},
		"a redirect": {"/user", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Location", "/user2")
			w.WriteHeader(http.StatusMovedPermanently)
		}, "status 301"},
		"broken JSON":               {"/user", func(g *gitHub, w http.ResponseWriter) { g.write(w, `{"id":1`) }, "ends too early"},
		"a duplicate":               {"/user", func(g *gitHub, w http.ResponseWriter) { g.write(w, `{"id":1,"id":2}`) }, "duplicate name"},
		"text":                      {"/user", func(g *gitHub, w http.ResponseWriter) { g.write(w, goodGitHubToken) }, "not valid JSON"},
		"nothing":                   {"/user", func(g *gitHub, w http.ResponseWriter) { g.write(w, "") }, "ends too early"},
		"huge":                      {"/user/orgs", func(g *gitHub, w http.ResponseWriter) { g.write(w, `["`+strings.Repeat("x", maxAnswerBytes)+`"]`) }, "more than 1048576 bytes"},
		"no user":                   {"/user", func(g *gitHub, w http.ResponseWriter) { g.write(w, `{}`) }, "nothing at user.id"},
		"no number":                 {"/user", func(g *gitHub, w http.ResponseWriter) { g.write(w, `{"id":{}}`) }, "not an object"},
		"a link nobody understands": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) { w.Header().Set("Link", "next: 2"); g.write(w, `[]`) }, "Link header"},
		"a page elsewhere": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `<https://evil.example/?t=`+goodGitHubToken+`>; rel=next`)
			g.write(w, `[]`)
		}, "allowedHosts"},
		"a page without TLS": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `<http://evil.example/>; rel=next`)
			g.write(w, `[]`)
		}, "https"},
		"a page for a user": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `<`+strings.Replace(g.URL, "//", "//me@", 1)+`>; rel=next`)
			g.write(w, `[]`)
		}, "next page"},
		"a page that is missing": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `</nowhere>; rel=next`)
			g.write(w, `[]`)
		}, "page 2 of a list is missing"},
		"a page that is an object": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `</user>; rel=next`)
			g.write(w, `[]`)
		}, "not a list"},
		"an object with pages": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `</user>; rel=next`)
			g.write(w, `{}`)
		}, "not a list"},
		"pages without an end": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `</user/orgs>; rel=next`)
			g.write(w, `[1]`)
		}, "more than the 10 pages"},
		"pages that are huge together": {"/user/orgs", func(g *gitHub, w http.ResponseWriter) {
			w.Header().Set("Link", `</user/orgs>; rel=next`)
			g.write(w, `["`+strings.Repeat("x", maxAnswerBytes-10)+`"]`)
		}, "bytes together"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGitHub(t)
			g.first = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == test.path {
					test.reply(g, w)
				}
				return r.URL.Path == test.path
			}
			_, err := g.source(nil).Verify(t.Context(), sources.ParseToken(goodGitHubToken))
			if slices.Contains(odd, name) {
				identitytest.IsRefused(t, err, test.says)
			} else {
				identitytest.IsFault(t, err, test.says)
			}
			if err != nil && (strings.Contains(err.Error(), "ghp_") || strings.Contains(err.Error(), "evil")) {
				t.Errorf("the error holds what was received: %v", err)
			}
			if counts := strings.Contains(name, "5xx"); !slices.Contains(odd, name) && remote.IsProvoked(err) == counts {
				t.Errorf("%v counts wrongly", err)
			}
		})
	}
}

func TestGitHubTokens(t *testing.T) {
	source := newGitHub(t).source(nil)
	for token, want := range map[string]bool{
		goodGitHubToken: true, "gho_a": true, "ghu_a": true, "github_pat_a_b": true,
		"ghs_a": false, "ghr_a": false, "GHP_a": false, "vdt_a": false, strings.Repeat("a", 40): false, "ghp_\r\n": false,
		"ghp_" + strings.Repeat("a", 60_000): true, "ghu_a.b.c": true,
	} {
		if got := source.Applies(sources.ParseToken(token)); got != want {
			t.Errorf("%s: %v", token, got)
		}
	}
}

func TestGitHubProbe(t *testing.T) {
	g := newGitHub(t)
	source := g.source(nil)
	identitytest.Must(t, source.Probe(t.Context())) // 401, with nothing left for this address
	for status, well := range map[int]bool{200: true, 403: true, 429: true, 500: false, 503: false, 302: false} {
		g.first = func(w http.ResponseWriter, r *http.Request) bool {
			if token := r.Header.Get("Authorization"); !strings.HasPrefix(token, "Bearer gho_") || len(token) < 40 {
				t.Errorf("asked about %q", token)
			}
			g.say(w, status, "rate limit")
			return true
		}
		if err := source.Probe(t.Context()); (err == nil) != well {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestGitHubPreset holds what the preset says where nothing is set.
func TestGitHubPreset(t *testing.T) {
	options, err := Options{}.WithPreset("github")
	identitytest.Must(t, err)
	if options.BaseURL != "https://api.github.com" || fmt.Sprint(options.AllowedHosts) != "[api.github.com]" ||
		options.Requests[0].Headers["X-GitHub-Api-Version"] != "2026-03-10" || options.Subject != "user.id" {
		t.Errorf("got %+v", options)
	}
	_, err = New(options, http.DefaultClient)
	identitytest.Must(t, err)

	own := Options{
		BaseURL: "https://github.example/api/v3", AllowedHosts: []string{"github.example"}, Subject: "id", Expires: "until",
		Requests: []Request{{URL: "/user", Headers: map[string]string{"A": "{token}"}}}, Tokens: remote.Tokens{Format: remote.TokenFormatAny, Prefixes: []string{"x"}},
	}
	same, err := own.WithPreset("github")
	identitytest.Must(t, err)
	if fmt.Sprint(same) != fmt.Sprint(own) {
		t.Errorf("the preset changed what was set: %+v", same)
	}
	same, err = own.WithPreset("")
	identitytest.Must(t, err)
	if fmt.Sprint(same) != fmt.Sprint(own) {
		t.Errorf("no preset changed what was set: %+v", same)
	}

	// Tokens must not go to GitHub for want of a setting, nor anywhere unlisted.
	options, err = Options{BaseURL: "https://github.example/api/v3"}.WithPreset("github")
	identitytest.Must(t, err)
	if _, err := New(options, http.DefaultClient); err == nil || !strings.Contains(err.Error(), "allowedHosts is empty") {
		t.Errorf("got %v", err)
	}
	if _, err := own.WithPreset("gitlab"); err == nil || !strings.Contains(err.Error(), "use one of github") {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(presetNames()); got != "[github]" {
		t.Errorf("presets %s", got)
	}
}

func TestGitHubGivesUpAsAWhole(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	g := newGitHub(t)
	source := g.source(func(o *Options) { o.Timeout = identitytest.Patience / 20 })
	g.first = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/user/orgs" {
			<-r.Context().Done()
		}
		return false
	}
	_, err := source.Verify(t.Context(), sources.ParseToken(goodGitHubToken))
	identitytest.IsFault(t, err, "no answer in time")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Verify(ctx, sources.ParseToken(goodGitHubToken)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestGitHubConcurrently(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	g := newGitHub(t)
	source := g.source(nil)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 10 {
				if verified, err := source.Verify(t.Context(), sources.ParseToken(goodGitHubToken)); err != nil || verified.Subject != "583231" {
					t.Errorf("%+v, %v", verified, err)
				}
			}
		})
	}
	asking.Wait()
}
