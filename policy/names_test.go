package policy

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// nameOf is the term that a member of an object of data is called by.
func nameOf(t *testing.T, e *Engine, name string, path ...string) *ast.Term {
	t.Helper()
	var here ast.Value = e.View().data
	for _, p := range path {
		here = document.Member(here.(ast.Object), p)
	}
	for _, key := range here.(ast.Object).Keys() {
		if key.Equal(ast.StringTerm(name)) {
			return key
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// TestNamesAreShared: what a policy writes is one term in all of data, also in
// documents that were read for an earlier revision.
func TestNamesAreShared(t *testing.T) {
	const policy = authz + `allow contains "x" if data.teams[input.spec.user].role == "admin"`
	with := func(more string) Content {
		c := content(policy + "\n\n" + more)
		c.Documents = []Document{{Path: "a.json", Content: []byte(`{"teams": {"a": {"role": "admin", "since": 1}, "b": {"role": "none", "since": 2}}}`)}}
		return c
	}
	e := loadedContent(t, Options{}, with(""))
	shared := nameOf(t, e, "role", "teams", "a")
	if nameOf(t, e, "role", "teams", "b") != shared {
		t.Error("two members have one name in two terms")
	}
	if nameOf(t, e, "since", "teams", "a") == nameOf(t, e, "since", "teams", "b") {
		t.Error("a name that no policy writes is kept")
	}
	changed := with(`allow contains "y" if data.teams[input.spec.user].since == 2`)
	changed.Documents = append(changed.Documents, Document{Path: "b.json", Content: []byte(`{"more": {"role": 1, "since": 1}, "again": {"since": 1}}`)})
	if err := e.Load(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if nameOf(t, e, "role", "teams", "a") != shared || nameOf(t, e, "role", "more") != shared {
		t.Error("a name that the policy still writes is another term after a reload")
	}
	if nameOf(t, e, "since", "more") != nameOf(t, e, "since", "again") {
		t.Error("a name that the policy writes now is not shared in a new document")
	}
	for user, want := range map[string]Outcome{"a": Allow, "b": Allow, "c": NoOpinion} {
		if got := authorize(t, e, object(t, `{"spec":{"user":"`+user+`"}}`)); got.Outcome != want {
			t.Errorf("%s: got %s, want %s", user, got.Outcome, want)
		}
	}
	if err := e.Load(t.Context(), content(authz+`allow contains "z" if input.spec.user == "z"`)); err != nil {
		t.Fatal(err)
	}
	if e.loads.buildCache.policies.names["role"] != nil || e.loads.buildCache.policies.names["z"] == nil {
		t.Errorf("kept the names of policies that are gone, or lost those there are: %v", e.loads.buildCache.policies.names)
	}
}
