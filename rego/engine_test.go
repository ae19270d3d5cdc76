package builtin

import (
	"slices"
	"testing"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// TestEngineTakesWhatShips holds the shipped policies to the engine's own
// checks of shapes, packages and data roots, and to its reading of the results.
func TestEngineTakesWhatShips(t *testing.T) {
	revision, err := policy.Compile(t.Context(), Starter(), policy.Options{Library: Library()})
	if err != nil {
		t.Fatal(err)
	}
	view := revision.View()
	if warnings := revision.Warnings(); len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}

	t.Run("authentication", func(t *testing.T) {
		verified := identity.Identity{
			Source: "local", Type: "tokenFile", Subject: "alice",
			Claims: claims(t, map[string]any{
				"username": "alice",
				"uid":      "1001",
				"groups":   []any{"team-payments"},
				"extra":    map[string]any{"office": []any{"Lisbon"}},
			}),
		}
		got, err := view.Authenticate(t.Context(), object(t, `{"spec": {}}`), verified)
		if err != nil {
			t.Fatal(err)
		}
		if got.User == nil {
			t.Fatalf("alice is nobody: %v", got.Reasons)
		}
		if got.User.Username != "alice" || got.User.UID != "1001" ||
			!slices.Equal(got.User.Groups, []string{"team-payments"}) || !slices.Equal(got.User.Extra["office"], []string{"Lisbon"}) {
			t.Errorf("user = %+v", *got.User)
		}

		verified.Claims = claims(t, map[string]any{"username": "alice", "groups": []any{"system:masters"}})
		if got, err = view.Authenticate(t.Context(), object(t, `{"spec": {}}`), verified); err != nil || got.User != nil {
			t.Errorf("with system:masters: user %v, error %v, want nobody", got.User, err)
		}
	})

	for _, test := range []struct {
		name, attributes string
		want             policy.Outcome
	}{
		{"allowed", `{"namespace": "payments", "verb": "list", "resource": "pods"}`, policy.Allow},
		{"denied", `{"namespace": "kube-system", "verb": "get", "resource": "secrets"}`, policy.Deny},
		{"no opinion", `{"namespace": "search", "verb": "list", "resource": "pods"}`, policy.NoOpinion},
	} {
		t.Run("authorization "+test.name, func(t *testing.T) {
			review := object(t, `{"spec": {"user": "alice", "groups": ["team-payments"], "resourceAttributes": `+test.attributes+`}}`)
			got, err := view.Authorize(t.Context(), review)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != test.want {
				t.Errorf("outcome = %s, want %s", got.Outcome, test.want)
			}
		})
	}

	t.Run("scheduling", func(t *testing.T) {
		pod := object(t, `{"metadata": {"namespace": "payments", "annotations": {"verdict.dev/tenant": "payments", "verdict.dev/zones": "eu-1a"}}, "spec": {"containers": [{"image": "nginx"}]}}`)
		ours := node(t, `{"metadata": {"name": "a", "labels": {"verdict.dev/tenant": "payments", "topology.kubernetes.io/zone": "eu-1a"}}, "status": {"images": [{"names": ["docker.io/library/nginx:latest"]}]}}`)
		theirs := node(t, `{"metadata": {"name": "b", "labels": {"verdict.dev/tenant": "search"}}}`)
		list := []*nodes.Node{ours, theirs}
		filtered, _, err := scheduling.Filter(t.Context(), view.DefaultProfile(), pod, list)
		if err != nil {
			t.Fatal(err)
		}
		if own := filtered[0]; own.Err != nil || len(own.Reject)+len(own.Unresolvable) != 0 {
			t.Errorf("own node: %+v, want no refusal", own)
		}
		if other := filtered[1]; other.Err != nil || len(other.Unresolvable) != 1 {
			t.Errorf("another tenant's node: %+v, want one unresolvable reason", other)
		}
		if scored, _, err := scheduling.Prioritize(t.Context(), view.DefaultProfile(), pod, list); err != nil || scored[0].Score != 10 {
			t.Errorf("scores = %v, %v, want 10", scored, err)
		}
	})
}

func node(t *testing.T, text string) *nodes.Node {
	t.Helper()
	n, err := nodes.New([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func object(t *testing.T, text string) document.Value {
	t.Helper()
	parsed, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Root()
}

func claims(t *testing.T, values map[string]any) identity.Claims {
	t.Helper()
	made, err := identity.ClaimsOf(values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}
