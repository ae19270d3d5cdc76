package identity

import (
	"fmt"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Kinds are the kinds of source, as they are called in the configuration and in
// input.identity.type.
func Kinds() []string {
	return []string{"jwt", "introspection", "tokenFile", "secrets", "http"}
}

// Example is an identity as a source of the kind gives it: what input.identity
// looks like. The error is that of a kind there is not.
func Example(kind string) (identity.Identity, error) {
	const server = "https://kubernetes.default.svc"
	expires := time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC)
	example := identity.Identity{Type: kind}
	var claims map[string]any
	switch kind {
	case "jwt":
		example.Source, example.Subject = "corp", "248289761001"
		example.Audiences, example.Expires = []string{"kubernetes"}, expires
		claims = map[string]any{
			"iss": "https://login.example.com", "sub": example.Subject, "aud": "kubernetes",
			"exp": expires.Unix(), "iat": expires.Add(-time.Hour).Unix(),
			"email": "alice@example.com", "email_verified": true, "groups": []any{"team-payments"},
		}
	case "introspection":
		example.Source, example.Subject, example.Expires = "opaque", "Z5O3upPC88QrAjx00dis", expires
		claims = map[string]any{
			"active": true, "client_id": "cli", "username": "alice", "scope": "openid groups",
			"sub": example.Subject, "iss": "https://as.example.com/", "exp": expires.Unix(),
		}
	case "tokenFile":
		example.Source, example.Subject = "local", "alice"
		example.Audiences, example.Expires = []string{server}, expires
		claims = map[string]any{
			"username": "alice", "uid": "1001", "groups": []any{"team-payments"},
			"extra": map[string]any{"department": []any{"payments"}},
		}
	case "secrets":
		example.Source, example.Subject, example.Expires = "robots", "robot-ci", expires
		claims = map[string]any{"username": "robot-ci", "groups": []any{"robots-deploy"}}
	case "http":
		example.Source, example.Subject = "github", "583231"
		claims = map[string]any{
			"user":  map[string]any{"id": 583231, "login": "octocat", "type": "User"},
			"orgs":  []any{map[string]any{"id": 9919, "login": "github"}},
			"teams": []any{map[string]any{"id": 1, "slug": "justice-league", "organization": map[string]any{"login": "github"}}},
		}
	}
	if !slices.Contains(Kinds(), kind) {
		return identity.Identity{}, fmt.Errorf("no identity source is of the kind %q", kind)
	}
	var err error
	example.Claims, err = identity.ClaimsOf(claims)
	return example, err
}
