package policy

import (
	"strings"
	"testing"
)

func TestCanName(t *testing.T) {
	for _, test := range []struct {
		name, source string
		corp, local  bool // whether a JWT of the source corp and a token file can
	}{
		{"nothing", "package other", false, false},
		{"groups alone", authn + `user.groups contains "a" if input.identity.claims.x`, false, false},
		{"a claim", authn + `user.username := input.identity.claims.email`, true, true},
		{"of one source", authn + `user.username := input.identity.claims.email if input.identity.source == "corp"`, true, false},
		{"of another source", authn + `user.username := input.identity.claims.email if input.identity.source == "other"`, false, false},
		{"of a kind", authn + `user.username := input.identity.claims.username if _listed

			_listed if input.identity.type in {"tokenFile", "secrets"}`, false, true},
		{"of all but one", authn + `user.username := input.identity.subject if input.identity.source != "local"`, true, false},
		{"an empty one", authn + `user.username := ""`, false, false},
		{"a condition that never holds", authn + `user.username := "x" if 1 == 2`, false, false},
		{"whole", authn + `user := {"username": input.identity.subject, "groups": ["a"]}`, true, true},
		{"whole without a name", authn + `user := {"groups": ["a"]}`, false, false},
		{"whole, of a kind", authn + `user := {"username": input.identity.subject} if input.identity.type == "jwt"`, true, false},
		{"by data", authn + `user.username := data.names[input.identity.source][input.identity.subject]`, true, false},
		{"by a function", authn + `user.username := _of(input.identity.source, input.identity.subject)

			_of("corp", subject) := concat(":", ["corp", subject])`, true, false},
		{"by the cluster", authn + `user.username := input.identity.subject if data.cluster.nodes.x`, true, true},
		{"by what is revoked", authn + `user.username := input.identity.subject if not data.revoked.subjects.x`, true, true},
		{"by the network", authn + `user.username := http.send({"url": "https://x", "method": "get"}).body.name if input.identity.source == "corp"`, true, false},
		{"by the review", authn + `user.username := input.identity.subject if input.spec.audiences[_] == "a"`, true, true},
		{"a default", authn + "default user := {\"username\": \"guest\"}\n\nuser := {\"groups\": [\"a\"]} if input.identity.source == \"corp\"", false, true},
		{"beside a denial", authn + `user.username := input.identity.subject

			deny contains "all" if startswith(user.username, "x")`, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := content(test.source)
			c.Documents = []Document{{Path: "d.json", Content: []byte(`{"names": {"corp": {"a": "b"}}}`)}}
			revision, err := Compile(t.Context(), c, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, source := range []struct {
				name, kind string
				want       bool
			}{{"corp", "jwt", test.corp}, {"local", "tokenFile", test.local}} {
				if got := revision.CanName(t.Context(), source.name, source.kind); got != source.want {
					t.Errorf("%s: %v, want %v", source.name, got, source.want)
				}
				if said := revision.NameProblem(source.name, source.kind); !strings.Contains(said, source.name) {
					t.Errorf("%q does not name the source", said)
				}
			}
		})
	}
}
