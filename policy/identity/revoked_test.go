package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

const revokedYAML = `
subjects:
- {subject: alice, source: corp, reason: has left}
- {subject: bob}
jtis:
- {jti: "17", source: corp}
tokens:
- {sha256: DIGEST, reason: was logged}
`

func revokedFor(t *testing.T, token string) *Revoked {
	t.Helper()
	sum := sha256.Sum256([]byte(token))
	revoked, err := ParseRevoked("revoked.yaml", []byte(strings.ReplaceAll(revokedYAML, "DIGEST", strings.ToUpper(hex.EncodeToString(sum[:])))))
	if err != nil {
		t.Fatal(err)
	}
	return revoked
}

// claims is ClaimsOf without an error.
func claims(values map[string]any) Claims {
	made, err := ClaimsOf(values)
	if err != nil {
		panic(err)
	}
	return made
}

// claimOf reads the string claims of an identity.
func claimOf(of Identity) func(name string) string {
	return func(name string) string {
		var all map[string]any
		if !of.Claims.IsZero() {
			if err := json.Unmarshal([]byte(of.Claims.Text()), &all); err != nil {
				panic(err)
			}
		}
		value, _ := all[name].(string)
		return value
	}
}

func TestRevokedReasons(t *testing.T) {
	const leaked = "the leaked token"
	revoked := revokedFor(t, leaked)
	for name, test := range map[string]struct {
		identity Identity
		want     string
	}{
		"subject of the source":        {Identity{Source: "corp", Subject: "alice"}, "the subject is revoked: has left"},
		"subject of another source":    {Identity{Source: "lab", Subject: "alice"}, ""},
		"subject of any source":        {Identity{Source: "lab", Subject: "bob"}, "the subject is revoked"},
		"another subject":              {Identity{Source: "corp", Subject: "Alice"}, ""},
		"token identifier":             {Identity{Source: "corp", Subject: "c", Claims: claims(map[string]any{"jti": "17"})}, "the jti is revoked"},
		"of another source":            {Identity{Source: "lab", Subject: "c", Claims: claims(map[string]any{"jti": "17"})}, ""},
		"a number is no identifier":    {Identity{Source: "corp", Subject: "c", Claims: claims(map[string]any{"jti": 17})}, ""},
		"another identifier":           {Identity{Source: "corp", Subject: "c", Claims: claims(map[string]any{"jti": "18"})}, ""},
		"token by its digest":          {Identity{Source: "x", Subject: "c", TokenSHA256: sha256.Sum256([]byte(leaked))}, "the token is revoked: was logged"},
		"another token":                {Identity{Source: "x", Subject: "c", TokenSHA256: sha256.Sum256([]byte("other"))}, ""},
		"a token of unknown digest":    {Identity{Source: "x", Subject: "c"}, ""},
		"claims without an identifier": {Identity{Source: "corp", Subject: "c", Claims: claims(map[string]any{"sub": "17"})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := revoked.ReasonFor(&test.identity, claimOf(test.identity)); got != test.want {
				t.Errorf("reason %q, want %q", got, test.want)
			}
			if got := (*Revoked)(nil).ReasonFor(&test.identity, claimOf(test.identity)); got != "" {
				t.Errorf("an absent list revokes: %q", got)
			}
		})
	}
}

func TestParseRevokedIsStrict(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
	for name, test := range map[string]struct{ text, want string }{
		"empty":                {"", "is empty"},
		"comments alone":       {"# nobody\n", "is empty"},
		"a list":               {"- a\n", "must not be a list"},
		"unknown field":        {"users: []\n", "/users: unknown field; the fields are subjects"},
		"field in other case":  {"Subjects: []\n", "Subjects"},
		"unknown field inside": {"subjects: [{subject: a, until: tomorrow}]\n", "until"},
		"no subject":           {"subjects: [{source: corp}]\n", "subjects[0].subject is missing"},
		"no identifier":        {"jtis: [{}]\n", "jtis[0].jti is missing"},
		"a number":             {"jtis: [{jti: 17}]\n", "/jtis/0/jti: must not be a number"},
		"a token for a digest": {"tokens: [{sha256: " + token + "}]\n", "tokens[0].sha256: must be the SHA-256"},
		"short digest":         {"tokens: [{sha256: abcd}]\n", "64 hexadecimal digits"},
		"repeated field":       {"subjects: []\nsubjects: []\n", "subjects"},
		"two documents":        {"subjects: []\n---\nsubjects: []\n", "second YAML document"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRevoked("r.yaml", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "r.yaml: ") {
				t.Errorf("got %v, want r.yaml and %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("the error shows a token: %v", err)
			}
		})
	}
	for _, text := range []string{"subjects: []", "{}", "tokens: []\njtis: []", `{"subjects":[{"subject":"a"}]}`} {
		if _, err := ParseRevoked("r.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
