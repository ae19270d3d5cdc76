package policy

import (
	"slices"
	"testing"

	"github.com/verdict-dev/verdict/policy/identity"
)

func parsedRevoked(t *testing.T, text string) *identity.Revoked {
	t.Helper()
	revoked, err := identity.ParseRevoked("revoked.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return revoked
}

// What is revoked is refused before any rule is asked, whatever the rules say,
// and ends kept answers; decisions of rules that do not read it stay kept.
func TestSetRevoked(t *testing.T) {
	e := NewEngine(Options{Cache: CacheOptions{Bytes: 1 << 20, Entries: 100}}, &observed{})
	load := func(source string) {
		t.Helper()
		if err := e.Load(t.Context(), Content{Modules: []Module{{Path: "a.rego", Source: []byte(source)}}}); err != nil {
			t.Fatal(err)
		}
	}
	load(authn + `user.username := input.identity.subject`)
	alice := identity.Identity{Source: "corp", Subject: "alice"}
	wantAuthenticated := func(when string, want bool) {
		t.Helper()
		got, err := e.View().Authenticate(t.Context(), object(t, `{"spec":{}}`), alice)
		if err != nil {
			t.Fatal(err)
		}
		if got.User == nil && !slices.Equal(got.Reasons, []string{"the subject is revoked: has left"}) {
			t.Errorf("reasons %q", got.Reasons)
		}
		if (got.User != nil) != want {
			t.Errorf("%s: user %v, want one: %v", when, got.User, want)
		}
	}
	wantAuthenticated("before", true)
	before := e.View()
	e.SetRevoked(parsedRevoked(t, "subjects: [{subject: alice, source: corp, reason: has left}]"))
	wantAuthenticated("revoked", false)
	if before.Generation(AuthenticationPoint) == e.View().Generation(AuthenticationPoint) {
		t.Error("answers that were kept before still hold")
	}
	if before.Generation(AuthorizationPoint) != e.View().Generation(AuthorizationPoint) {
		t.Error("authorization was forgotten, which reads nothing of it")
	}
	if before.generations[userRule] != e.View().generations[userRule] {
		t.Error("what the user rule decided was forgotten, which reads nothing of it")
	}
	// It outlives a reload, and policies see it.
	load(authn + `user.username := data.revoked.subjects[0].reason`)
	wantAuthenticated("after a reload", false)
	before = e.View()
	e.SetRevoked(nil)
	if before.generations[userRule] == e.View().generations[userRule] {
		t.Error("a rule that reads data.revoked keeps its decisions")
	}
	load(authn + `user.username := input.identity.subject`)
	wantAuthenticated("taken back", true)
}

// A claim is compared as policies see it: another type is no identifier.
func TestRevokedClaims(t *testing.T) {
	revoked := newRevokedList(parsedRevoked(t, `jtis: [{jti: "17"}]`))
	for claim, want := range map[any]string{"17": "the jti is revoked", "18": "", 17: "", "": ""} {
		verified := identity.Identity{Source: "corp", Claims: claims(t, map[string]any{"jti": claim})}
		if got := revokedReason(revoked, &verified); got != want {
			t.Errorf("jti %v: reason %q, want %q", claim, got, want)
		}
	}
	if got := revokedReason(revoked, &identity.Identity{Source: "corp"}); got != "" {
		t.Errorf("without claims: reason %q", got)
	}
	if got := revokedReason(nil, &identity.Identity{Source: "corp"}); got != "" {
		t.Errorf("an absent list revokes: %q", got)
	}
}
