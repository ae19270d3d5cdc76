package policy

import (
	"errors"
	"testing"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

func TestYAMLSecondDocument(t *testing.T) {
	got := refused(t, Options{}, Content{Documents: []Document{{Path: "a.yaml", Content: []byte("a: 1\n---\nb: 2\n")}}})
	contains(t, got[0], "a.yaml: line 2: ")
}

func TestDataObjectAtARule(t *testing.T) {
	in := content("package app\n\nroles := {\"a\"}")
	in.Documents = []Document{{Path: "data.json", Content: []byte(`{"app":{"roles":{"x":1}}}`)}}
	refused(t, Options{}, in)
}

func TestDataObjectAtARefRule(t *testing.T) {
	in := content("package acme\n\nuser.username := \"a\"")
	in.Documents = []Document{{Path: "data.json", Content: []byte(`{"acme":{"user":{"groups":["g"]}}}`)}}
	r, err := Compile(t.Context(), in, Options{Entries: Entries{Paths: map[EntryRule]string{{AuthenticationPoint, "user"}: "acme.user"}}})
	if err != nil {
		t.Log(err)
		return
	}
	a, err := r.Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "x"})
	t.Errorf("%+v %v", a.User, err)
}

func TestReservedRootsNameEveryFile(t *testing.T) {
	got := refused(t, Options{}, Content{Documents: []Document{
		{Path: "a.json", Content: []byte(`{"kubernetes":{"a":1}}`)},
		{Path: "b.json", Content: []byte(`{"kubernetes":{"b":1}}`)},
	}})
	if len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestPlaceWithoutPod(t *testing.T) {
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("panicked: %v", r)
		}
	}()
	r := compile(t, Options{}, sched+`reject contains "x" if input.pod.a`)
	_, err := r.Place(t.Context(), document.Value{}, object(t, `{}`))
	t.Log(err)
}

func TestUserShapesAtLoad(t *testing.T) {
	for _, s := range []string{
		`user.groups := "admins"`, `user.username := 5`, `user.uid if input.a`, `user.groups[x] := true if some x in input.a`, `user.groups[x] if some x in input.a`,
		`user.extra := "x"`, `user.extra contains "x"`, `user.extra[k] := "v" if some k in input.a`, `user.extra[k][j] contains "v" if {some k, j in input.a}`, `user.groups contains 5`, `user.extra["k"] contains 5`, `user.groups.x contains "a"`,
	} {
		t.Run(s, func(t *testing.T) {
			_, err := Compile(t.Context(), content(authn+s), Options{})
			if _, ok := errors.AsType[*LoadError](err); !ok {
				t.Errorf("got %v, want a LoadError", err)
			}
		})
	}
}

func TestElseShape(t *testing.T) {
	refused(t, Options{}, content(authz+"allow if input.a\n\nelse := \"yes\""))
}

func TestDynamicParent(t *testing.T) {
	refused(t, Options{}, content("package kubernetes\n\nauthorization[x] contains \"r\" if some x in [\"deny\"]"))
}

func TestParentObject(t *testing.T) {
	refused(t, Options{}, content("package kubernetes\n\nauthorization := {\"deny\": {\"x\"}}"))
}

func TestIDSections(t *testing.T) {
	a, _ := Compile(t.Context(), Content{}, Options{AllowedHosts: []string{"a"}})
	b, _ := Compile(t.Context(), Content{}, Options{AllowedSystemNames: []string{"a"}})
	if a.ID() == b.ID() {
		t.Error("same")
	}
}

func TestStrayPackagesAreWarnedOf(t *testing.T) {
	for name, test := range map[string]struct {
		modules []string
		want    int
	}{
		"misspelt":      {[]string{"package kubernetes.authorisation\n\ndeny contains \"x\" if true"}, 1},
		"below, unused": {[]string{"package kubernetes.authorization.rules\n\nx := 1"}, 1},
		"below, used":   {[]string{"package kubernetes.authorization.rules\n\nx := 1", "package kubernetes.authorization\n\nallow contains \"x\" if data.kubernetes.authorization.rules.x == 1"}, 0},
		"imported":      {[]string{"package kubernetes.helpers\n\nx := 1", "package kubernetes.authorization\n\nimport data.kubernetes.helpers\n\nallow contains \"x\" if helpers.x == 1"}, 0},
		"asked":         {[]string{"package kubernetes.scheduling\n\nreject contains \"x\" if false"}, 0},
		"elsewhere":     {[]string{"package acme.rules\n\nx := 1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			revision, err := Compile(t.Context(), content(test.modules...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := revision.Warnings(); len(got) != test.want {
				t.Errorf("warnings are %v, want %d", got, test.want)
			}
		})
	}
}

func TestYAMLKeysThatAreNoStrings(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		line string // "" when it is accepted
	}{
		"a number":            {"users:\n  1: a\n", "line 2"},
		"a number, quoted":    {"users:\n  \"1\": a\n", ""},
		"a word of YAML 1.1":  {"users:\n  a: {No: b}\n", "line 2"},
		"that word, quoted":   {"users: {'no': b}\n", ""},
		"a boolean in a list": {"users:\n- {true: b}\n", "line 2"},
		"null":                {"~: b\n", "line 1"},
		"as a value":          {"users: [no, 1, y]\n", ""},
		"merged":              {"a: &a {x: 1}\nb: {<<: *a, y1: 2}\n", ""},
		"empty":               {"{}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(t.Context(), Content{Documents: []Document{{Path: "data.yaml", Content: []byte(test.text)}}}, Options{})
			switch {
			case test.line == "" && err != nil:
				t.Error(err)
			case test.line != "":
				if err == nil {
					t.Fatal("accepted")
				}
				contains(t, err.Error(), "data.yaml: "+test.line+": ")
			}
		})
	}
}
