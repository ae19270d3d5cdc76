package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy/identity"
)

func TestConflictsNameBothSides(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		ask  func(*testing.T, *Revision) error
		want []string
	}{
		"two users": {
			a: "package kubernetes.authentication\nuser := {\"username\": \"a\"} if input.spec\n",
			b: "package kubernetes.authentication\nuser := {\"username\": \"b\"} if input.spec\n",
			ask: func(t *testing.T, r *Revision) error {
				_, err := r.Authenticate(t.Context(), object(t, `{"spec":{}}`), identity.Identity{Subject: "x"})
				return err
			},
		},
		"two scores of one name": {
			a: "package kubernetes.scheduling\nscore[\"zone\"] := 1 if input.pod\n",
			b: "package kubernetes.scheduling\nscore[name] := 2 if some name in [\"zone\"]\n",
			ask: func(t *testing.T, r *Revision) error {
				_, err := r.Score(t.Context(), object(t, `{}`), object(t, `{}`))
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			revision, err := Compile(t.Context(), Content{Modules: []Module{
				{Path: "a.rego", Source: []byte(test.a)}, {Path: "b.rego", Source: []byte(test.b)},
			}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = test.ask(t, revision)
			fault, ok := errors.AsType[*EvaluationError](err)
			if !ok || fault.Code != "eval_conflict_error" {
				t.Fatalf("got %v, want a conflict", err)
			}
			for _, want := range []string{"a.rego:2:1", "b.rego:2:1"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message lacks %s: %v", want, err)
				}
			}
		})
	}
}
