package policy

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

func TestAuthorize(t *testing.T) {
	const both = authz + `allow contains "a2" if input.spec.user in {"alice", "mallory"}

allow contains "a1" if input.spec.user in {"alice", "mallory"}

deny contains "d2" if input.spec.user == "mallory"

deny contains "d1" if input.spec.user == "mallory"`
	const boolean = authz + `default allow := false

allow if input.spec.user == "alice"

deny if input.spec.user == "mallory"`
	for _, c := range []struct {
		name    string
		sources []string
		user    string
		want    Decision
	}{
		{"allow, reasons sorted", []string{both}, "alice", Decision{Outcome: Allow, Reasons: []string{"a1", "a2"}}},
		{"deny wins over allow, reasons sorted", []string{both}, "mallory", Decision{Outcome: Deny, Reasons: []string{"d1", "d2"}}},
		{"neither", []string{both}, "bob", Decision{Outcome: NoOpinion, Reasons: nil}},
		{"boolean allow", []string{boolean}, "alice", Decision{Outcome: Allow, Reasons: []string{"kubernetes.authorization.allow"}}},
		{"boolean deny", []string{boolean}, "mallory", Decision{Outcome: Deny, Reasons: []string{"kubernetes.authorization.deny"}}},
		{"boolean neither", []string{boolean}, "bob", Decision{Outcome: NoOpinion, Reasons: nil}},
		{"no policy at all", nil, "alice", Decision{Outcome: NoOpinion, Reasons: nil}},
		{"only deny rules", []string{authz + `deny contains "x" if input.spec.user == "mallory"`}, "alice", Decision{Outcome: NoOpinion, Reasons: nil}},
		{"sets compose across files", []string{authz + `allow contains "one" if true`, authz + `allow contains "two" if true`}, "bob", Decision{Outcome: Allow, Reasons: []string{"one", "two"}}},
		{"one reason from two files", []string{authz + `allow contains "one" if true`, authz + `allow contains "one" if true`}, "bob", Decision{Outcome: Allow, Reasons: []string{"one"}}},
		{"an empty reason is a reason", []string{authz + `deny contains ""`}, "bob", Decision{Outcome: Deny, Reasons: []string{""}}},
		{"a computed set", []string{authz + `allow := {u | u := input.spec.user}`}, "alice", Decision{Outcome: Allow, Reasons: []string{"alice"}}},
		{"a computed set that is empty", []string{authz + `allow := {u | some u in input.spec.nobody}`}, "alice", Decision{Outcome: NoOpinion, Reasons: nil}},
		{"computed false", []string{authz + `allow := input.spec.user == "alice"`}, "bob", Decision{Outcome: NoOpinion, Reasons: nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := compile(t, Options{}, c.sources...)
			got, err := revision.Authorize(t.Context(), object(t, `{"spec":{"user":"`+c.user+`"}}`))
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != c.want.Outcome {
				t.Errorf("got %s, want %s", got.Outcome, c.want.Outcome)
			}
			equal(t, "reasons", got.Reasons, c.want.Reasons)
		})
	}
}

func TestAuthenticate(t *testing.T) {
	verified := identity.Identity{
		Source: "company", Type: "tokenFile", Subject: "alice",
		Claims: claims(t, map[string]any{
			"groups": []any{"b", "a", "a"}, "uid": "1", "team": "red", "number": 5.0,
			"extra": map[string]any{"k": []any{"v2", "v1"}, "none": []any{}},
		}),
		Audiences: []string{"api"},
		Expires:   time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
	}
	for _, c := range []struct {
		name, source string
		want         User
	}{
		{
			"whole", authn + `user := {"username": input.identity.subject, "uid": "1", "groups": ["b", "a"], "extra": {"k": ["v"]}}`,
			User{Username: "alice", UID: "1", Groups: []string{"b", "a"}, Extra: map[string][]string{"k": {"v"}}},
		},
		{
			"whole with sets", authn + `user := {"username": "a", "groups": {"b", "a"}, "extra": {"k": {"v2", "v1"}}}`,
			User{Username: "a", Groups: []string{"a", "b"}, Extra: map[string][]string{"k": {"v1", "v2"}}},
		},
		{"whole with nulls", authn + `user := {"username": "a", "uid": null, "groups": null, "extra": null}`, User{Username: "a"}},
		{"whole with empty values", authn + `user := {"username": "a", "uid": "", "groups": [], "extra": {}}`, User{Username: "a"}},
		{
			"fields", authn + `user.username := input.identity.subject

user.uid := input.identity.claims.uid

user.groups contains g if some g in input.identity.claims.groups

user.extra[k] contains v if {
	some k, vs in input.identity.claims.extra
	some v in vs
}`,
			User{Username: "alice", UID: "1", Groups: []string{"a", "b"}, Extra: map[string][]string{"k": {"v1", "v2"}}},
		},
		{"username alone", authn + `user.username := "a"`, User{Username: "a"}},
		{
			"fields from lists keep no repeats", authn + `user := {"username": "a", "groups": input.identity.claims.groups}`,
			User{Username: "a", Groups: []string{"b", "a"}},
		},
		{
			"many groups keep their order", authn + `user := {"username": "a", "groups": array.concat(g, g)} if {
	g := [sprintf("g%d", [(n * 7) % 20]) | some n in numbers.range(1, 20)]
}`,
			User{Username: "a", Groups: strings.Fields("g7 g14 g1 g8 g15 g2 g9 g16 g3 g10 g17 g4 g11 g18 g5 g12 g19 g6 g13 g0")},
		},
		{
			"keys of extra without values are left out", authn + `user := {"username": "a", "extra": input.identity.claims.extra}`,
			User{Username: "a", Extra: map[string][]string{"k": {"v2", "v1"}}},
		},
		{"the identity's fields", authn + `user := {"username": name, "groups": input.identity.audiences, "uid": input.identity.expires} if {
	name := sprintf("%s/%s/%s", [input.identity.source, input.identity.type, input.identity.claims.team])
}`, User{Username: "company/tokenFile/red", UID: "2030-01-02T02:04:05Z", Groups: []string{"api"}}},
		{"the review's fields", authn + `user := {"username": "a", "groups": input.spec.audiences}`, User{Username: "a", Groups: []string{"asked"}}},
		{"the caller cannot bring an identity", authn + `user := {"username": input.identity.subject}`, User{Username: "alice"}},
		{"several files fill one user", authn + `user.groups contains "x"

user.groups contains "y"

user.username := "a"`, User{Username: "a", Groups: []string{"x", "y"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			review := object(t, `{"spec":{"audiences":["asked"]},"identity":{"subject":"root"}}`)
			got, err := compile(t, Options{}, c.source).Authenticate(t.Context(), review, verified)
			if err != nil {
				t.Fatal(err)
			}
			if got.User == nil {
				t.Fatalf("got nobody: %v", got.Reasons)
			}
			if len(got.Reasons) != 0 {
				t.Errorf("got reasons %v for a user", got.Reasons)
			}
			if got.User.Username != c.want.Username || got.User.UID != c.want.UID ||
				!slices.Equal(got.User.Groups, c.want.Groups) ||
				!maps.EqualFunc(got.User.Extra, c.want.Extra, slices.Equal) {
				t.Errorf("got %+v, want %+v", *got.User, c.want)
			}
			if c.want.Groups == nil && got.User.Groups != nil || c.want.Extra == nil && got.User.Extra != nil {
				t.Errorf("got %#v, want nil where there is nothing", *got.User)
			}
		})
	}
}

func TestAuthenticateNobody(t *testing.T) {
	for _, c := range []struct{ name, source, reason string }{
		{"no policy", "package app", "no policy gives kubernetes.authentication.user"},
		{"only a deny rule", authn + `deny contains "x" if false`, "no policy gives kubernetes.authentication.user"},
		{"undefined", authn + `user := {"username": "a"} if input.identity.claims.nothing`, "kubernetes.authentication.user is undefined"},
		{"empty username", authn + `user := {"username": ""}`, "kubernetes.authentication.user.username is empty"},
		{"no username", authn + `user := {"groups": ["a"]}`, "kubernetes.authentication.user.username is empty"},
		{"null username", authn + `user := {"username": null}`, "kubernetes.authentication.user.username is empty"},
		{"groups without username", authn + `user.groups contains "a"`, "kubernetes.authentication.user.username is empty"},
		{"denied", authn + "user.username := \"a\"\n\ndeny contains \"gone\"\n\ndeny contains \"away\"", "away;gone"},
		{"denied by boolean", authn + "user.username := \"a\"\n\ndeny if input.identity", "kubernetes.authentication.deny"},
		{"a system: username", authn + `user.username := "system:admin"`, `the username "system:admin"`},
		{"a system: group", authn + `user := {"username": "a", "groups": ["x", "system:masters"]}`, `the group "system:masters"`},
		{"a system: username from the identity", authn + `user.username := input.identity.subject`, `the username "system:kube-scheduler"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := compile(t, Options{}, c.source).Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "system:kube-scheduler"})
			if err != nil {
				t.Fatal(err)
			}
			if got.User != nil {
				t.Errorf("got user %+v, want nobody", *got.User)
			}
			contains(t, strings.Join(got.Reasons, ";"), c.reason)
		})
	}
}

func TestAuthenticateSystemNamesThatAreListed(t *testing.T) {
	const source = authn + `user := {"username": "system:node:a", "groups": ["system:nodes", "system:masters"]}`
	for _, c := range []struct {
		name    string
		allowed []string
		refused []string
	}{
		{"none", nil, []string{`username "system:node:a"`, `group "system:masters"`, `group "system:nodes"`}},
		{"a prefix is not enough", []string{"system:node", "system:"}, []string{`username "system:node:a"`, `group "system:masters"`, `group "system:nodes"`}},
		{"some", []string{"system:node:a", "system:nodes"}, []string{`group "system:masters"`}},
		{"all", []string{"system:node:a", "system:nodes", "system:masters"}, nil},
		{"patterns", []string{"system:node*", "system:master*"}, nil},
		{"a pattern of something longer", []string{"system:node:a*", "system:nodes*", "system:masters*"}, []string{`username "system:node:a"`, `group "system:masters"`, `group "system:nodes"`}},
		{"a pattern in other case", []string{"System:*", "SYSTEM:*", "*system:nodes"}, []string{`username "system:node:a"`, `group "system:masters"`, `group "system:nodes"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := compile(t, Options{AllowedSystemNames: c.allowed}, source).Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "a"})
			if err != nil {
				t.Fatal(err)
			}
			if (got.User == nil) != (c.refused != nil) {
				t.Errorf("got user %v with refusals %v", got.User, got.Reasons)
			}
			if len(got.Reasons) != len(c.refused) {
				t.Fatalf("got reasons %v, want %v", got.Reasons, c.refused)
			}
			for i, want := range c.refused {
				contains(t, got.Reasons[i], want)
			}
		})
	}
}

// fault runs decide and returns the policy error it ends with.
func fault(tb testing.TB, decide func() error) *EvaluationError {
	tb.Helper()
	err := decide()
	var evaluation *EvaluationError
	if !errors.As(err, &evaluation) {
		tb.Fatalf("got error %v (%T), want an *EvaluationError", err, err)
	}
	return evaluation
}

func TestAuthenticateFaults(t *testing.T) {
	for _, c := range []struct{ name, source, code, message string }{
		{"username is a number", authn + `user := {"username": 5}`, "shape", "username: must be a string, not a number"},
		{"uid is a number", authn + `user := {"username": "a", "uid": 1000}`, "shape", "uid: must be a string, not a number"},
		{"groups is a string", authn + `user := {"username": "a", "groups": "admins"}`, "shape", "groups: must be a set or list of strings, not a string"},
		{"a group is a number", authn + `user := {"username": "a", "groups": ["b", 5]}`, "shape", "groups: must hold strings, not a number"},
		{"a group is null", authn + `user.username := "a"` + "\n\n" + `user.groups contains g if some g in [null]`, "shape", "groups: must hold strings, not null"},
		{"extra is a list", authn + `user := {"username": "a", "extra": ["b"]}`, "shape", "extra: must be an object, not a list"},
		{"extra holds a string", authn + `user := {"username": "a", "extra": {"k": "v"}}`, "shape", `extra["k"]: must be a set or list of strings, not a string`},
		{"extra holds numbers", authn + `user := {"username": "a", "extra": {"k": [1]}}`, "shape", `extra["k"]: must hold strings, not a number`},
		{"a key of extra is a number", authn + `user := {"username": "a", "extra": {1: ["v"]}}`, "shape", "extra: a key is a string, not a number"},
		{"user is computed and no object", authn + `user := u if u := input.identity.subject`, "shape", "must be an object, not a string"},
		{"builtin error", authn + `user := {"username": "a", "uid": u} if u := to_number(input.identity.subject)`, "eval_builtin_error", "to_number"},
		{"builtin error in deny", authn + "user.username := \"a\"\n\ndeny contains \"x\" if to_number(input.identity.subject) > 1", "eval_builtin_error", "to_number"},
		{"two users", authn + "user := {\"username\": \"a\"}\n\nuser := {\"username\": \"b\"}", "eval_conflict_error", "conflict"},
		{"a deny that is no set", authn + "user.username := \"a\"\n\ndeny := x if x := input.identity.subject", "shape", "must give a set of reasons or a boolean, not a string"},
		{"a reason that is no string", authn + "user.username := \"a\"\n\ndeny contains count(input.identity.subject)", "shape", "a reason is a string, not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := compile(t, Options{}, c.source)
			err := fault(t, func() error {
				got, err := revision.Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "alice"})
				if got.User != nil {
					t.Errorf("got user %+v beside the error", *got.User)
				}
				return err
			})
			if err.Code != c.code {
				t.Errorf("got code %s, want %s", err.Code, c.code)
			}
			contains(t, err.Message, c.message)
			contains(t, err.Error(), "kubernetes.authentication.", c.code, c.message)
		})
	}
}

func TestBuiltinErrorsAreErrors(t *testing.T) {
	for _, c := range []struct{ name, source string }{
		{"in deny", authz + "allow contains \"x\"\n\ndeny contains \"odd\" if to_number(input.spec.user) > 5"},
		{"in allow", authz + `allow contains "x" if to_number(input.spec.user) > 5`},
		{"in not", authz + "big if to_number(input.spec.user) > 5\n\nallow contains \"x\" if not big"},
		{"in a function", authz + "deny contains \"x\" if f(input.spec.user) > 1\n\nf(x) := to_number(x)"},
		{"in a comprehension", authz + `deny contains "x" if count([n | n := to_number(input.spec.user)]) == 1`},
		{"division by zero", authz + `deny contains "x" if 1 / (count(input.spec.user) - 5) > 1`},
		{"an odd operand", authz + `deny contains "x" if split(input.spec.number, "a")[0] == "b"`},
		{"a bad pattern", authz + `deny contains "x" if regex.match(input.spec.pattern, "a")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := compile(t, Options{}, c.source)
			err := fault(t, func() error {
				got, err := revision.Authorize(t.Context(), object(t, `{"spec":{"user":"alice","number":5,"pattern":"["}}`))
				if got.Outcome != "" {
					t.Errorf("got outcome %s beside the error", got.Outcome)
				}
				return err
			})
			if err.Code != "eval_builtin_error" && err.Code != "eval_type_error" {
				t.Errorf("got code %s (%v)", err.Code, err)
			}
			if !strings.HasPrefix(err.Location, "p0.rego:") {
				t.Errorf("got location %q", err.Location)
			}
			contains(t, err.Error(), err.Location+": kubernetes.authorization.")
		})
	}
}

func TestAuthorizeFaultsOfShape(t *testing.T) {
	for _, c := range []struct{ name, source, message string }{
		{"computed string", authz + `allow := x if x := input.spec.user`, "must give a set of reasons or a boolean, not a string"},
		{"computed reason", authz + `deny contains input.spec.n`, "a reason is a string, not a number"},
		{"computed list", authz + `allow := [x | x := input.spec.user]`, "must give a set of reasons or a boolean, not a list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := compile(t, Options{}, c.source)
			err := fault(t, func() error {
				_, err := revision.Authorize(t.Context(), object(t, `{"spec":{"user":"a","n":1}}`))
				return err
			})
			if err.Code != "shape" {
				t.Errorf("got code %s", err.Code)
			}
			contains(t, err.Message, c.message)
		})
	}
}

func TestConflictsAreNamedWithTheirLocation(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  []string
		decide func(r *Revision) error
	}{
		{"two users", []string{authn + `user := {"username": "a"}`, authn + `user := {"username": "b"}`}, func(r *Revision) error {
			_, err := r.Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "a"})
			return err
		}},
		{"two usernames", []string{authn + `user.username := "a"`, authn + `user.username := "b"`}, func(r *Revision) error {
			_, err := r.Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "a"})
			return err
		}},
		{"two scores of one name", []string{sched + `score["a"] := 1`, sched + `score["a"] := 2`}, func(r *Revision) error {
			_, err := r.Score(t.Context(), object(t, `{}`), object(t, `{}`))
			return err
		}},
		{"two scores of one computed name", []string{
			sched + `score[x] := 1 if some x in ["a"]`, sched + `score[x] := 2 if some x in ["a"]`,
		}, func(r *Revision) error {
			_, err := r.Score(t.Context(), object(t, `{}`), object(t, `{}`))
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := compile(t, Options{}, c.files...)
			err := fault(t, func() error { return c.decide(revision) })
			if err.Code != "eval_conflict_error" {
				t.Errorf("got code %s (%v)", err.Code, err)
			}
			if err.Location != "p0.rego:3:1" && err.Location != "p1.rego:3:1" {
				t.Errorf("got location %q, want that of one of the rules", err.Location)
			}
		})
	}
}

func TestEqualValuesDoNotConflict(t *testing.T) {
	revision := compile(t, Options{}, sched+`score["a"] := 1`, sched+`score["a"] := 1`, sched+`score["b"] := 2`)
	got, err := revision.Score(t.Context(), object(t, `{}`), object(t, `{}`))
	if err != nil || got != 3 {
		t.Errorf("got %d and error %v, want 3", got, err)
	}
}

// reachable is a server that counts its callers and answers with a JSON schema.
func reachable(t *testing.T) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"type":"string"}`))
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func TestNothingIsReachedUnlessListed(t *testing.T) {
	for _, c := range []struct{ name, body string }{
		{"http.send", `http.send({"method": "GET", "url": input.url}).status_code == 200`},
		{"http.send that swallows errors", `http.send({"method": "GET", "url": input.url, "raise_error": false}).status_code == 200`},
		{"json.match_schema with a remote $ref", `json.match_schema("\"a\"", {"$ref": input.url})[0]`},
		{"json.verify_schema with a remote $ref", `json.verify_schema({"$ref": input.url})[0]`},
		{"net.lookup_ip_addr", `count(net.lookup_ip_addr("127.0.0.1")) > 0`},
	} {
		source := authz + `allow contains "reached" if ` + c.body
		for _, options := range []Options{{}, {AllowedHosts: []string{}}, {AllowedHosts: []string{"example.com"}}} {
			t.Run(c.name, func(t *testing.T) {
				url, calls := reachable(t)
				got, err := compile(t, options, source).Authorize(t.Context(), object(t, `{"url":"`+url+`"}`))
				if got.Outcome == Allow || calls.Load() != 0 {
					t.Errorf("allowing %v, it was reached %d times: outcome %s, error %v", options.AllowedHosts, calls.Load(), got.Outcome, err)
				}
			})
		}
		t.Run(c.name+", listed", func(t *testing.T) {
			url, _ := reachable(t)
			got, err := compile(t, Options{AllowedHosts: []string{"127.0.0.1"}}, source).Authorize(t.Context(), object(t, `{"url":"`+url+`"}`))
			if err != nil || got.Outcome != Allow {
				t.Errorf("got outcome %s and error %v, want allow", got.Outcome, err)
			}
		})
	}
}

func TestUnixSocketsAreNotReachedUnlessListed(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	revision := compile(t, Options{}, authz+`allow contains "reached" if {
	http.send({"method": "GET", "url": sprintf("unix://localhost/end?socket=%s", [input.socket]), "raise_error": false}).status_code == 200
}`)
	got, err := revision.Authorize(t.Context(), object(t, `{"socket":"`+strings.ReplaceAll(socket, "/", "%2F")+`"}`))
	if got.Outcome == Allow || calls.Load() != 0 {
		t.Errorf("the socket was reached %d times: outcome %s, error %v", calls.Load(), got.Outcome, err)
	}
}

func TestRuntimeGivesNothing(t *testing.T) {
	t.Setenv("VERDICT_TEST_SECRET", "hidden")
	revision := compile(t, Options{}, authz+`allow contains key if some key, _ in opa.runtime()`)
	got, err := revision.Authorize(t.Context(), object(t, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Outcome != NoOpinion {
		t.Errorf("opa.runtime() has %v, want nothing", got.Reasons)
	}
}

// endless runs for hours: 10^10 iterations.
const endless = `deny contains "late" if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b + count(input) < 0
}`

func TestTimeout(t *testing.T) {
	revision := compile(t, Options{}, authz+endless, authn+"user.username := \"a\"\n\n"+endless,
		sched+strings.Replace(endless, "deny", "reject", 1), sched+`score.a := 1 if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b + count(input) < 0
}`)
	for _, c := range []struct {
		name   string
		decide func(ctx context.Context) error
	}{
		{"authorize", func(ctx context.Context) error {
			_, err := revision.Authorize(ctx, object(t, `{}`))
			return err
		}},
		{"authenticate", func(ctx context.Context) error {
			_, err := revision.Authenticate(ctx, object(t, `{}`), identity.Identity{Subject: "a"})
			return err
		}},
		{"place", func(ctx context.Context) error {
			_, err := revision.Place(ctx, object(t, `{}`), object(t, `{}`))
			return err
		}},
		{"score", func(ctx context.Context) error {
			_, err := revision.Score(ctx, object(t, `{}`), object(t, `{}`))
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			if err := c.decide(ctx); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v after a deadline of 20 ms", took)
			}
		})
		t.Run(c.name+", already over", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.decide(ctx); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
		})
	}
}

func claims(t *testing.T, values map[string]any) identity.Claims {
	t.Helper()
	made, err := identity.ClaimsOf(values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}
