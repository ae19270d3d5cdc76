package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy/identity"
)

const (
	authn = "package kubernetes.authentication\n\n"
	authz = "package kubernetes.authorization\n\n"
	sched = "package kubernetes.scheduling\n\n"
)

func TestEntryShapesAccepted(t *testing.T) {
	for name, source := range map[string]string{
		"a set of constant reasons":     authz + `allow contains "because" if input.a`,
		"a set of computed reasons":     authz + `allow contains reason if { reason := sprintf("%v", [input.a]) }`,
		"a reason without condition":    authz + `deny contains "closed"`,
		"a boolean":                     authz + `allow if input.a`,
		"a boolean with default":        authz + "default allow := false\n\nallow if input.a",
		"a default alone":               authz + `default deny := true`,
		"a boolean by value":            authz + `allow := input.a == 1`,
		"a boolean constant":            authz + `allow := true if input.a`,
		"else":                          authz + "allow if input.a\n\nelse := false",
		"a set by comprehension":        authz + `allow := {r | some r in input.a}`,
		"the package above":             "package kubernetes\n\nauthorization.allow contains \"x\" if input.a",
		"no entry rule at all":          "package app\n\nhelper(x) := x + 1",
		"helpers beside the entry":      authz + "allow contains \"x\" if helper(1)\n\nhelper(x) if x == 1",
		"user whole":                    authn + `user := {"username": "a", "groups": ["g"]} if input.identity`,
		"user whole and computed":       authn + `user := u if u := input.identity.claims`,
		"user default":                  authn + `default user := {}`,
		"user.username":                 authn + `user.username := input.identity.subject`,
		"user.uid":                      authn + `user.uid := "1"`,
		"user.groups contains":          authn + `user.groups contains g if some g in input.identity.claims.groups`,
		"user.groups as a whole":        authn + `user.groups := ["a"]`,
		"user.extra[key] contains":      authn + `user.extra[key] contains value if some key, value in input.identity.claims`,
		"user.extra, one key":           authn + `user.extra["example.org/team"] contains "red"`,
		"user.extra as a whole":         authn + `user.extra := {"k": ["v"]}`,
		"user in quotes":                authn + `user["username"] := "a"`,
		"authentication deny":           authn + `deny contains "no" if input.identity.claims.gone`,
		"score with a variable":         sched + `score[name] := n if some name, n in input.node.scores`,
		"score with a constant":         sched + `score["zone"] := 5 if input.node`,
		"score with a dot":              sched + `score.zone := 5 if input.node`,
		"score negative":                sched + `score.zone := -5`,
		"score computed":                sched + `score.zone := count(input.node.zones) * 2`,
		"reject":                        sched + `reject contains "full" if input.node.full`,
		"unresolvable":                  sched + `unresolvable contains "other tenant" if input.node.tenant`,
		"reject as boolean":             sched + "default reject := false\n\nreject if input.node.full",
		"protect":                       sched + `protect contains "database" if input.victim.labels.app == "db"`,
		"scheduling deny":               sched + `deny contains "taken" if input.state.free.cpu < 0`,
		"annotate with a variable":      sched + `annotate[key] := value if some key, value in input.node.metadata.labels`,
		"annotate with a constant":      sched + `annotate["example.com/gpu"] := "3" if input.node`,
		"annotate computed":             sched + `annotate["example.com/gpu"] := format_int(input.state.free.gpu, 10)`,
		"entry rules of another's name": "package app\n\nallow := \"yes\"\n\nscore := 5\n\nreject[x] if some x in input.a\n\nuser.foo := 1\n\ndeny(x) := x",
	} {
		t.Run(name, func(t *testing.T) {
			revision := compile(t, Options{}, source)
			if w := revision.Warnings(); len(w) != 0 {
				t.Errorf("got warnings %v, want none", w)
			}
		})
	}
}

func TestEntryShapesRefused(t *testing.T) {
	const reasonForm = "contains \"reason\" if { … }`"
	for _, c := range []struct {
		name, source string
		want         []string
	}{
		{"reject[x] if", sched + "reject[x] if some x in input.a", []string{"p0.rego:3:1: ", "reject[…] is an object", "write `reject " + reasonForm}},
		{"reject.x if", sched + "reject.x if input.a", []string{"p0.rego:3:1: ", "write `reject " + reasonForm}},
		{"allow[x] := true", authz + "  allow[x] := true if some x in input.a", []string{"p0.rego:3:3: ", "write `allow " + reasonForm}},
		{"deny[k] contains", authz + "deny[k] contains v if some k, v in input.a", []string{"p0.rego:3:1: ", "write `deny " + reasonForm}},
		{"allow is a string", authz + `allow := "yes"`, []string{"p0.rego:3:1: ", "allow is a string", "write `allow " + reasonForm}},
		{"allow is a number", authz + `allow := 1 if input.a`, []string{"p0.rego:3:1: ", "allow is a number", reasonForm}},
		{"allow is null", authz + `allow := null`, []string{"p0.rego:3:1: ", "allow is null", reasonForm}},
		{"allow is a list", authz + `allow := ["yes"]`, []string{"p0.rego:3:1: ", "allow is a list", reasonForm}},
		{"allow is an object", authz + `allow := {"yes": 1}`, []string{"p0.rego:3:1: ", "allow is an object", reasonForm}},
		{"default is a string", authz + `default allow := "no"`, []string{"p0.rego:3:1: ", "allow is a string", reasonForm}},
		{"reason is a number", authz + `allow contains 5`, []string{"p0.rego:3:1: ", "a reason is a string, not a number", reasonForm}},
		{"reason is a boolean", authz + `deny contains true if input.a`, []string{"p0.rego:3:1: ", "a reason is a string, not a boolean", reasonForm}},
		{"reason is a list", authz + `deny contains ["a"] if input.a`, []string{"p0.rego:3:1: ", "a reason is a string, not a list", reasonForm}},
		{"reason is an object", authz + `deny contains {"msg": "a"} if input.a`, []string{"p0.rego:3:1: ", "a reason is a string, not an object", reasonForm}},
		{"allow is a function", authz + `allow(x) if x == 1`, []string{"p0.rego:3:1: ", "allow is an entry rule and can't be a function", "another name"}},
		{"user is a function", authn + `user(x) := x`, []string{"p0.rego:3:1: ", "user is an entry rule", "another name"}},
		{"score is a function", sched + `score(n) := n`, []string{"p0.rego:3:1: ", "score is an entry rule", "another name"}},
		{"user.username is a function", authn + `user.username(x) := x`, []string{"p0.rego:3:1: ", "function"}},
		{"a package takes the entry's place", "package kubernetes.authorization.allow\n\nx := 1", []string{"p0.rego:1:1: ", "package kubernetes.authorization.allow takes the place of the entry rule", "rename the package"}},
		{"a package below the entry's place", "package kubernetes.authorization.deny.more\n\nx := 1", []string{"p0.rego:1:1: ", "takes the place of the entry rule kubernetes.authorization.deny", "rename the package"}},
		{"a package that fills user", "package kubernetes.authentication.user\n\nusername := \"root\"", []string{"p0.rego:1:1: ", "rename the package"}},
		{"a wrong shape from the package above", "package kubernetes\n\nauthorization.allow := \"yes\"", []string{"p0.rego:3:1: ", "allow is a string"}},
		{"score is a set", sched + `score contains 5`, []string{"p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`"}},
		{"score is a number", sched + `score := 5`, []string{"p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`"}},
		{"score is a boolean", sched + `score if input.a`, []string{"p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`"}},
		{"score is a default", sched + `default score := 0`, []string{"p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`"}},
		{"score[name] is a string", sched + `score.zone := "5"`, []string{"p0.rego:3:1: ", "gives numbers, not a string", "write `score[\"name\"] := 5 if { … }`"}},
		{"score[name] if", sched + `score.zone if input.a`, []string{"p0.rego:3:1: ", "gives numbers, not a boolean"}},
		{"score[name] contains", sched + `score.zone contains 5`, []string{"p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`"}},
		{"score two levels deep", sched + `score.zone.rack := 5`, []string{"p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`"}},
		{"user.foo", authn + `user.foo := "a"`, []string{"p0.rego:3:1: ", "user has no field foo", "`user.username := …`", "`user.uid := …`", "`user.groups contains …`", "`user.extra[key] contains …`", "`user := {…}`"}},
		{"user.name", authn + `user.name := "a"`, []string{"p0.rego:3:1: ", "user has no field name"}},
		{"user is a set", authn + `user contains "a"`, []string{"p0.rego:3:1: ", "user is a set", "`user.username := …`"}},
		{"user is a string", authn + `user := "alice"`, []string{"p0.rego:3:1: ", "user is a string", "`user := {…}`"}},
		{"user is a boolean", authn + `user if input.a`, []string{"p0.rego:3:1: ", "user is a boolean"}},
		{"user.username is a set", authn + `user.username contains "a"`, []string{"p0.rego:3:1: ", "is one string: write", "username"}},
		{"user.uid is a set", authn + `user.uid contains "a"`, []string{"p0.rego:3:1: ", "is one string: write", "uid"}},
		{"user.username is an object", authn + `user.username[x] := "a" if some x in input.a`, []string{"p0.rego:3:1: ", "is one string: write", "username"}},
		{"package lib", "package lib\n\nx := 1", []string{"p0.rego:1:1: ", "package lib is reserved: it holds Verdict's own library", "another name"}},
		{"package below lib", "package lib.verbs\n\nread contains \"steal\"", []string{"p0.rego:1:1: ", "package lib is reserved: it holds Verdict's own library"}},
		{"package below cluster", "package cluster.nodes\n\nx := 1", []string{"p0.rego:1:1: ", "package cluster is reserved: it holds the resources of the cluster"}},
		{"package revoked", "package revoked\n\nx := 1", []string{"p0.rego:1:1: ", "package revoked is reserved"}},
		{"protect as an object", sched + "protect[x] if some x in input.a", []string{"p0.rego:3:1: ", "protect[…] is an object", "write `protect contains \"reason\" if { … }`"}},
		{"annotate as a set", sched + "annotate contains \"x\" if input.a", []string{"p0.rego:3:1: ", "annotate has a form the engine does not read", "write `annotate[\"example.com/key\"] := \"value\" if { … }`"}},
		{"annotate as a whole", sched + "annotate := {\"a\": \"b\"}", []string{"p0.rego:3:1: ", "write `annotate[\"example.com/key\"] := \"value\" if { … }`"}},
		{"annotate with a number", sched + "annotate[\"a\"] := 3 if input.a", []string{"p0.rego:3:1: ", "annotate gives strings, as all annotations are, not a number", "write `annotate"}},
		{"annotate without a value", sched + "annotate[\"a\"] if input.a", []string{"p0.rego:3:1: ", "annotate gives strings, as all annotations are, not a boolean"}},
		{"annotate under a number", sched + "annotate[3] := \"a\" if input.a", []string{"p0.rego:3:1: ", "annotate takes the names of annotations, not a number"}},
		{"set and boolean mixed", authz + "default allow := false\n\nallow contains \"x\" if input.a", []string{"p0.rego:", "conflicting rules"}},
		{"an older Rego", "package kubernetes.authorization\n\nallow[msg] { msg := \"x\" }", []string{"p0.rego:3:", "rego_parse_error"}},
		{"no package", "allow := true", []string{"p0.rego:1:", "package"}},
		{"empty file", "", []string{"p0.rego", "empty"}},
		{"only a comment", "# nothing here\n", []string{"p0.rego", "empty"}},
		{"an undefined function", authz + "allow contains \"x\" if nonsense(1)", []string{"p0.rego:3:", "undefined function nonsense"}},
		{"an unsafe variable", authz + "allow contains x if input.a", []string{"p0.rego:3:", "unsafe"}},
		{"a type error", authz + "allow contains \"x\" if 1 + \"a\" == 2", []string{"p0.rego:3:", "rego_type_error"}},
		{"recursion", authz + "allow contains \"x\" if count(deny) == 0\n\ndeny if allow", []string{"p0.rego:", "recursive"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := refused(t, Options{}, content(c.source))
			contains(t, strings.Join(got, "\n"), c.want...)
		})
	}
}

func TestCustomEntries(t *testing.T) {
	options := Options{Entries: Entries{Paths: map[EntryRule]string{
		{AuthenticationPoint, "user"}: "acme.authn.who",
		{AuthorizationPoint, "allow"}: "acme.authz.permit",
		{AuthorizationPoint, "deny"}:  "acme.authz.forbid",
		{SchedulingPoint, "score"}:    "acme.placement.points",
	}}}
	revision := compile(t, options, `package acme.authz

permit contains "p" if input.spec.user == "alice"

forbid contains "f" if input.spec.user == "mallory"`, `package acme.authn

who.username := input.identity.subject`, `package acme.placement

points.fixed := 3`, `package kubernetes.authorization

# Not an entry rule any more: any shape goes.
deny := "a string"`)

	for user, want := range map[string]Decision{
		"alice":   {Outcome: Allow, Reasons: []string{"p"}},
		"mallory": {Outcome: Deny, Reasons: []string{"f"}},
		"bob":     {Outcome: NoOpinion},
	} {
		got, err := revision.Authorize(t.Context(), object(t, `{"spec":{"user":"`+user+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got.Outcome != want.Outcome || !slices.Equal(got.Reasons, want.Reasons) {
			t.Errorf("%s: got %v, want %v", user, got, want)
		}
	}
	who, err := revision.Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	if who.User == nil || who.User.Username != "alice" {
		t.Errorf("got %+v, want alice", who)
	}
	score, err := revision.Score(t.Context(), object(t, `{}`), object(t, `{}`))
	if err != nil || score != 3 {
		t.Errorf("got score %d and error %v, want 3", score, err)
	}
	place, err := revision.Place(t.Context(), object(t, `{}`), object(t, `{}`))
	if err != nil || len(place.Reject)+len(place.Unresolvable) != 0 {
		t.Errorf("entries that are not set: got %v and error %v, want none", place, err)
	}

	got := refused(t, options, content("package acme.authz\n\npermit := \"yes\"\n\nforbid[x] if some x in input.a", "package acme.authn\n\nwho.foo := 1", "package acme.placement\n\npoints := 3"))
	want := [][]string{
		{"p0.rego:3:1: ", "permit is a string", "write `permit contains"},
		{"p0.rego:5:1: ", "forbid[…] is an object", "write `forbid contains"},
		{"p1.rego:3:1: ", "who has no field foo", "`who.username := …`"},
		{"p2.rego:3:1: ", "write `points[\"name\"] := 5 if { … }`"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, parts := range want {
		contains(t, got[i], parts...)
	}
}

func TestEveryMistakeOfEveryFileIsReported(t *testing.T) {
	in := content(
		authz+"allow := \"yes\"\n\ndeny(x) := x",
		sched+"score := 5\n\nreject[x] if some x in input.a",
		"package app\n\nthis is not rego",
		"package lib.mine\n\nx := 1",
		"package kubernetes.authorization.allow\n\nx := 1",
	)
	in.Modules = append(in.Modules, Module{Path: "p0.rego", Source: []byte("package twice")})
	in.Documents = []Document{
		{Path: "z.json", Content: []byte(`{"kubernetes":{}}`)},
		{Path: "y.json", Content: []byte(`{`)},
	}
	got := refused(t, Options{}, in)
	for _, want := range []string{
		"p0.rego: delivered twice", "p0.rego:3:1: ", "p0.rego:5:1: ", "p1.rego:3:1: ", "p1.rego:5:1: ", "p2.rego:3:",
		"p3.rego:1:1: ", "p4.rego:1:1: ", "y.json: ", "z.json: ",
	} {
		if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, want) }) {
			t.Errorf("no problem begins with %q in:\n%s", want, strings.Join(got, "\n"))
		}
	}
	if !slices.IsSortedFunc(got, func(a, b string) int {
		return strings.Compare(a[:strings.IndexByte(a, ':')], b[:strings.IndexByte(b, ':')])
	}) {
		t.Errorf("not in the order of files:\n%s", strings.Join(got, "\n"))
	}

	_, err := Compile(t.Context(), in, Options{})
	if _, ok := errors.AsType[*LoadError](err); !ok {
		t.Fatalf("got %v, want a *LoadError", err)
	}
	if got, want := err.Error(), strings.Join(got, "\n"); got != want {
		t.Errorf("the error says\n%s\nwant one problem a line:\n%s", got, want)
	}
}

func TestEveryCompileErrorOfEveryFileIsReported(t *testing.T) {
	got := strings.Join(refused(t, Options{}, content(
		authz+"allow contains \"x\" if nope(1)\n\nallow contains \"y\" if nada(1)",
		"package app\n\na := nix(1)",
	)), "\n")
	contains(t, got, "p0.rego:3:", "nope", "p0.rego:5:", "nada", "p1.rego:3:", "nix")
}

func TestLibraryIsCompiledIn(t *testing.T) {
	library := Content{Modules: []Module{{Path: "lib/verbs.rego", Source: []byte("package lib.verbs\n\nread contains \"get\"")}}}
	revision := compile(t, Options{Library: library}, authz+"allow contains \"read\" if input.spec.verb in data.lib.verbs.read")
	got, err := revision.Authorize(t.Context(), object(t, `{"spec":{"verb":"get"}}`))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "reasons", got.Reasons, []string{"read"})
	if revision.Modules() != 1 {
		t.Errorf("got %d modules, want 1: the library is not counted", revision.Modules())
	}

	problems := refused(t, Options{Library: library}, Content{Modules: []Module{{Path: "lib/verbs.rego", Source: []byte("package mine")}}})
	contains(t, strings.Join(problems, "\n"), "lib/verbs.rego: delivered twice")
}

func TestLookalikesWarn(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"a letter dropped", authz + "alow contains \"x\"", "p0.rego:3:1: rule alow is never evaluated: did you mean allow?"},
		{"a letter added", authz + "denny contains \"x\"", "p0.rego:3:1: rule denny is never evaluated: did you mean deny?"},
		{"a letter replaced", sched + "rejekt contains \"x\"", "p0.rego:3:1: rule rejekt is never evaluated: did you mean reject?"},
		{"neighbours swapped", authz + "dney contains \"x\"", "p0.rego:3:1: rule dney is never evaluated: did you mean deny?"},
		{"plural", sched + "scores.a := 1", "p0.rego:3:1: rule scores is never evaluated: did you mean score?"},
		{"user", authn + "usr.username := \"a\"", "p0.rego:3:1: rule usr is never evaluated: did you mean user?"},
		{"a function", authz + "alow(x) := x", ""},
		{"two slips", authz + "aloow2 := 1", ""},
		{"another package", "package app\n\nalow := 1", ""},
		{"another point's entry", authz + "scores := 1", ""},
		{"the entry itself", authz + "allow contains \"x\"", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			warnings := compile(t, Options{}, c.source).Warnings()
			var got []string
			for _, w := range warnings {
				got = append(got, w.String())
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			equal(t, "warnings", got, want)
		})
	}
}

func TestOneSlip(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"deny", "deny", false},
		{"den", "deny", true},
		{"eny", "deny", true},
		{"denyy", "deny", true},
		{"dony", "deny", true},
		{"deyn", "deny", true},
		{"ednx", "deny", false},
		{"", "d", true},
		{"", "", false},
		{"de", "deny", false},
		{"yned", "deny", false},
	} {
		if got := oneSlip(c.a, c.b); got != c.want {
			t.Errorf("oneSlip(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
		if got := oneSlip(c.b, c.a); got != c.want {
			t.Errorf("oneSlip(%q, %q) = %v, want %v", c.b, c.a, got, c.want)
		}
	}
}
