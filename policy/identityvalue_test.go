package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

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

// TestIdentityValueAgreesWithJSON: claims are decoded late, from their text. Policies
// see the same value as if encoding/json decoded the whole identity at once.
func TestIdentityValueAgreesWithJSON(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           `{}`,
		"empty values":    `{"":"","list":[],"object":{},"null":null}`,
		"one claim":       `{"sub":"alice"}`,
		"booleans":        `{"email_verified":true,"admin":false}`,
		"numbers":         `{"zero":0,"negative":-17,"half":0.5,"exponent":1e3,"small":2.5E-7,"minus zero":-0}`,
		"equal numbers":   `{"numbers":[1,1.0,10e-1,100]}`,
		"large integers":  `{"safe":9007199254740991,"unsafe":9007199254740993,"int64":-9223372036854775808,"uint64":18446744073709551615,"more":123456789012345678901234567890}`,
		"large fractions": `{"pi":3.14159265358979323846264338327950288,"far":1e300}`,
		"nested":          `{"realm_access":{"roles":["a","b",{"name":"c","of":[[1,[2,[]]],{"deep":{"er":{}}}]}]},"groups":["x","y"]}`,
		"mixed list":      `{"list":[null,true,1,"1",[1],{"1":1}]}`,
		"unicode":         `{"名前":"アリス","emoji":"🦊","combined":"e\u0301","é":"ä"}`,
		"escapes":         `{"quote\"\\\/":"\b\f\n\r\t\u0000","pair":"\ud83e\udd8a","html":"<a&b>","line":"\u2028"}`,
		"spaces":          " {\n\t\"a\" : [ 1 , 2 ] ,\r\n \"b\" : { } } ",
		"names of fields": `{"source":"x","claims":{"claims":1},"subject":2}`,
	} {
		t.Run(name, func(t *testing.T) {
			verified := identity.Identity{
				Source: "corp", Type: "jwt", Subject: "alice", Claims: identity.NewClaims(text),
				Audiences: []string{"a", "b"}, Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
			}
			whole := fmt.Sprintf(`{"source":"corp","type":"jwt","subject":"alice","claims":%s,"audiences":["a","b"],"expires":"2030-01-02T03:04:05Z"}`, text)
			var decoded any
			decoder := json.NewDecoder(strings.NewReader(whole))
			decoder.UseNumber() // as OPA decodes input: a float64 does not hold each integer
			if err := decoder.Decode(&decoded); err != nil {
				t.Fatal(err)
			}
			want, err := ast.InterfaceToValue(decoded)
			if err != nil {
				t.Fatal(err)
			}
			for _, when := range []string{"decoded first", "decoded before"} {
				got := identityValue(&verified)
				if got.Compare(want) != 0 || got.Hash() != want.Hash() {
					t.Errorf("%s: got\n%v, want\n%v", when, got, want)
				}
				if got.String() != want.String() {
					t.Errorf("%s: the text is\n%v, want\n%v", when, got, want)
				}
			}
			claims, ok := decodeClaims(text).(ast.Object)
			if !ok || claims.Compare(want.(ast.Object).Get(claimsKey).Value) != 0 {
				t.Errorf("claims %v differ from those of the whole identity, %v", claims, want)
			}
		})
	}
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
