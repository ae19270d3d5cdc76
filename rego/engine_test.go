package builtin

import (
	"slices"
	"testing"

	"github.com/verdict-dev/verdict/policy"
)

// TestEngineTakesWhatShips holds the shipped policies to the engine's own
// checks of shapes, packages and data roots, and to its reading of the results.
func TestEngineTakesWhatShips(t *testing.T) {
	revision, err := policy.Compile(t.Context(), Starter(), policy.Options{Library: Library()})
	if err != nil {
		t.Fatal(err)
	}
	if warnings := revision.Warnings(); len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}

	t.Run("authentication", func(t *testing.T) {
		identity := policy.Identity{
			Source: "local", Type: "tokenFile", Subject: "alice",
			Claims: map[string]any{
				"username": "alice",
				"uid":      "1001",
				"groups":   []any{"team-payments"},
				"extra":    map[string]any{"office": []any{"Lisbon"}},
			},
		}
		got, err := revision.Authenticate(t.Context(), object(t, `{"spec": {}}`), identity)
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

		identity.Claims = map[string]any{"username": "alice", "groups": []any{"system:masters"}}
		if got, err = revision.Authenticate(t.Context(), object(t, `{"spec": {}}`), identity); err != nil || got.User != nil {
			t.Errorf("with system:masters: user %v, error %v, want nobody", got.User, err)
		}
	})

	for _, test := range []struct {
		name, attributes string
		want             policy.AuthorizationOutcome
	}{
		{"allowed", `{"namespace": "payments", "verb": "list", "resource": "pods"}`, policy.Allow},
		{"denied", `{"namespace": "kube-system", "verb": "get", "resource": "secrets"}`, policy.Deny},
		{"no opinion", `{"namespace": "search", "verb": "list", "resource": "pods"}`, policy.NoOpinion},
	} {
		t.Run("authorization "+test.name, func(t *testing.T) {
			review := object(t, `{"spec": {"user": "alice", "groups": ["team-payments"], "resourceAttributes": `+test.attributes+`}}`)
			got, err := revision.Authorize(t.Context(), review)
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
		ours := object(t, `{"metadata": {"labels": {"verdict.dev/tenant": "payments", "topology.kubernetes.io/zone": "eu-1a"}}, "status": {"images": [{"names": ["docker.io/library/nginx:latest"]}]}}`)
		theirs := object(t, `{"metadata": {"labels": {"verdict.dev/tenant": "search"}}}`)

		if placement, err := revision.Place(t.Context(), pod, ours); err != nil || len(placement.Reject)+len(placement.Unresolvable) != 0 {
			t.Errorf("own node: %+v, %v, want no refusal", placement, err)
		}
		if placement, err := revision.Place(t.Context(), pod, theirs); err != nil || len(placement.Unresolvable) != 1 {
			t.Errorf("another tenant's node: %+v, %v, want one unresolvable reason", placement, err)
		}
		if score, err := revision.Score(t.Context(), pod, ours); err != nil || score != 10 {
			t.Errorf("score = %d, %v, want 10", score, err)
		}
	})
}

func object(t *testing.T, text string) policy.Object {
	t.Helper()
	decoded, err := policy.DecodeObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
