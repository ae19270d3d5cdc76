package evaluators

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The names of shapes of policies.
const (
	shapeSome   = "some over 10,000 items, an early one holds"
	shapeGroups = "groups of 500 items"
	shapeHelper = "a helper called 10,000 times with equal arguments"
)

// shapeRules is the name of so many rules on distinct constants.
func shapeRules(n int) string { return fmt.Sprintf("%d rules on distinct constants", n) }

// ruleCounts are the sizes of shapeRules.
var ruleCounts = []int{10, 100, 1000}

func shapeEvaluations() ([]evaluation, error) {
	var out []evaluation
	add := func(name, about, rules, input string) error {
		compiler, err := compileModules(map[string]string{"p.rego": "package p\n\n" + rules})
		if err != nil {
			return err
		}
		value, err := ast.ValueFromReader(strings.NewReader(input))
		if err != nil {
			return fmt.Errorf("reading an input: %w", err)
		}
		out = append(out, evaluation{name: name, about: about, compiler: compiler, data: ast.NewObject(), rules: []string{"data.p.r"}, inputs: []ast.Value{value}})
		return nil
	}
	list := func(n int, item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	numbers := list(10_000, func(i int) string { return fmt.Sprint(i) })
	items := list(500, func(i int) string { return fmt.Sprintf(`{"id":"i%d","team":"t%d"}`, i, i%20) })
	var failures []error
	for _, n := range ruleCounts {
		var rules strings.Builder
		for i := range n {
			fmt.Fprintf(&rules, "r contains \"v%[1]d\" if input.a == \"c%[1]d\"\n\n", i)
		}
		failures = append(failures, add(shapeRules(n), "`r contains \"v7\" if input.a == \"c7\"`, and so on.", rules.String(), `{"a":"c7"}`))
	}
	failures = append(failures,
		add(shapeSome, "`r if { some x in input; x > 20 }`.", "r if { some x in input; x > 20 }", numbers),
		add(shapeGroups, "`r[team] := [m.id | some m in input; m.team == team]` for the team of each item, 20 in all.",
			"r[team] := [m.id | some m in input; m.team == team] if {\n\tsome item in input\n\tteam := item.team\n}", items),
		add(shapeHelper, "`r if { some x in input; not helper(\"a\") }`, where the helper goes through a list.",
			"r if { some x in input; not helper(\"a\") }\n\nhelper(s) if { some c in [\"b\", \"c\", \"a\"]; c == s }", numbers),
	)
	return out, errors.Join(failures...)
}
