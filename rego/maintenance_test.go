package builtin

import (
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	rules "github.com/verdict-dev/verdict/policy/evaluator"
)

// TestMaintenanceIsKeptUntilItChanges holds data.lib.scheduling.maintenance to
// asking the clock in the way that the engine recognises: a decision lasts until
// the very instant at which it would be another one.
func TestMaintenanceIsKeptUntilItChanges(t *testing.T) {
	modules := parseContent(t, Library())
	modules["probe.rego"] = parse(t, "probe.rego", []byte(`package probe

window := data.lib.scheduling.maintenance.window("2026-03-01T08:00:00.5Z/2026-03-01T12:00:00+01:00")

collides := data.lib.scheduling.maintenance.collides(window, 3600)
`))
	probe, err := rules.NewInterpreter(compiled(t, modules), ast.MustParseRef("data.probe.collides"), cache.NewInterQueryValueCache(t.Context(), nil), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		now, until string
		want       bool
	}{
		{"2026-02-01T00:00:00Z", "2026-03-01T07:00:00.5Z", false},
		{"2026-03-01T07:00:00.5Z", "2026-03-01T11:00:00Z", true},
		{"2026-03-01T11:00:00Z", "", false},
	} {
		got, err := probe.Evaluate(t.Context(), rules.Query{Input: ast.NewObject(), Data: ast.NewObject(), Now: instant(t, test.now)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Value.Compare(ast.Boolean(test.want)) != 0 {
			t.Errorf("at %s: %v, want %t", test.now, got.Value, test.want)
		}
		if test.until == "" {
			if !got.Until.IsZero() {
				t.Errorf("at %s: kept until %v, want for good", test.now, got.Until)
			}
			continue
		}
		if !got.Until.Equal(instant(t, test.until)) {
			t.Errorf("at %s: kept until %v, want %s", test.now, got.Until, test.until)
		}
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
