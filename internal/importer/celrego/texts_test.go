package celrego

import (
	"strings"
	"testing"
)

// TestTexts tells lists that kube-apiserver takes for groups from those that it does
// not.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		source  string
		never   bool
		refused string
	}{
		{source: `claims.groups`},
		{source: `["a", string(claims.b)]`},
		{source: `claims.a.split(",")`, never: true},
		{source: `claims.a.findAll("b")`, never: true},
		{source: `claims.?a`, never: true},
		{source: `claims.a.split(",").map(x, x)`},
		{source: `claims.a.split(",").filter(x, x != "b")`},
		{source: `claims.a.split(",") + ["x"]`},
		{source: `["x"] + claims.a.split(",")`},
		{source: `claims.a.split(",") + claims.b.split(",")`},
		{source: `claims.a.split(",") + []`, refused: "cannot be told"},
		{source: `claims.a.split(claims.b) + claims.c.split(",")`, refused: "cannot be told"},
		{source: `claims.c == 1 ? ["a"] : claims.a.split(",")`},
		{source: `claims.?l.orValue(claims.a.split(","))`},
		{source: `claims.a.split(",").reverse()`},
	} {
		t.Run(c.source, func(t *testing.T) {
			expression, err := Compile(c.source, Claims)
			if err != nil {
				t.Fatal(err)
			}
			rules, err := expression.Texts("groups")
			switch {
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("%v, want %s", err, c.refused)
			case c.refused == "" && err != nil:
				t.Error(err)
			case rules.Never != c.never:
				t.Errorf("never is %v:\n%s", rules.Never, rules.Text)
			}
		})
	}
}
