package policy

import (
	"strings"
	"testing"
)

// TestAnnotationsOfSeveralFiles puts files beside one another that describe the same
// package and the same rule: OPA by itself refuses them.
func TestAnnotationsOfSeveralFiles(t *testing.T) {
	described := func(scope, custom, rule string) string {
		return "# METADATA\n# title: a policy of " + scope + "\n# scope: " + scope + "\n" + custom + rule
	}
	ttl := "# custom:\n#   cache: {ttl: 30s}\n"
	for _, test := range []struct {
		name    string
		sources []string
		kept    string // how long decisions are kept; "" for not at all
		refused string
	}{
		{"documents", []string{
			authz + described("document", "", `allow contains "a" if time.now_ns() > 1`),
			authz + described("document", "", `allow contains "b"`),
			authz + described("document", "", `allow contains "c"`),
		}, "", ""},
		{"packages", []string{
			described("package", "", authz+`allow contains "a" if time.now_ns() > 1`),
			described("package", ttl, authz+`allow contains "b"`),
			described("package", "", authz+`allow contains "c"`),
		}, "30s", ""},
		{"packages that agree", []string{
			described("package", ttl, authz+`allow contains "a" if time.now_ns() > 1`),
			described("package", ttl, authz+`allow contains "b"`),
		}, "30s", ""},
		{"packages that differ", []string{
			described("package", ttl, authz+`allow contains "a"`),
			described("package", strings.Replace(ttl, "30s", "5m", 1), authz+`allow contains "b"`),
		}, "", "p1.rego:1:1: custom.cache of the package differs from that at p0.rego:1:1: write it in one file only"},
		{"a package and its subpackages", []string{
			described("subpackages", "", "package kubernetes\n\nx := 1"),
			described("subpackages", "", "package kubernetes\n\ny := 1"),
			authz + `allow contains "a" if time.now_ns() > 1`,
		}, "", ""},
		{"of a field", []string{
			authn + described("document", "", `user.username := "a" if time.now_ns() > 1`),
			authn + described("document", "", `user.username := "b" if input.b`),
			authz + `allow contains "a" if time.now_ns() > 1`,
		}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.refused != "" {
				equal(t, "problems", refused(t, Options{}, content(test.sources...)), []string{test.refused})
				return
			}
			revision := compile(t, Options{}, test.sources...)
			for _, inspected := range revision.Inspect() {
				if inspected.Rule != "kubernetes.authorization.allow" {
					continue
				}
				kept := ""
				if inspected.Cached {
					kept = inspected.TTL.String()
				}
				if kept != test.kept {
					t.Errorf("decisions are kept for %q, want %q", kept, test.kept)
				}
			}
		})
	}
}

// TestAnnotationsAreReadAgain has what one revision left out be there in the next.
func TestAnnotationsAreReadAgain(t *testing.T) {
	e := NewEngine(Options{}, &observed{})
	said := func(title, more string) string {
		return "# METADATA\n# title: " + title + "\n" + authz + "allow contains rego.metadata.chain()[1].annotations.title" + more
	}
	both := content(said("first", ""), said("second", "\n"))
	for _, each := range []struct {
		content Content
		want    string
	}{
		{both, "first"},
		{Content{Modules: both.Modules[1:]}, "second"},
		{both, "first"},
	} {
		if err := e.Load(t.Context(), each.content); err != nil {
			t.Fatal(err)
		}
		if got := reason(t, e); got != each.want {
			t.Errorf("the title is %q, want %q", got, each.want)
		}
	}
}
