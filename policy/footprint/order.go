package footprint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// compareRules orders rules by location. Rules with one location come from one rule
// with several bodies.
//
// The heads of rules that are not equal in kind are never compared: OPA's
// comparison reads the key of both, which only a rule with contains has.
func compareRules(x, y *ast.Rule) int {
	if c := x.Location.Compare(y.Location); c != 0 {
		return c
	}
	if c := x.Ref().Compare(y.Ref()); c != 0 {
		return c
	}
	if x.Default != y.Default {
		if x.Default {
			return -1
		}
		return 1
	}
	for _, terms := range [][2]*ast.Term{{x.Head.Key, y.Head.Key}, {x.Head.Value, y.Head.Value}} {
		if c := compareTerms(terms[0], terms[1]); c != 0 {
			return c
		}
	}
	return x.Body.Compare(y.Body)
}

// compareTerms orders terms, nil ones first.
func compareTerms(x, y *ast.Term) int {
	switch {
	case x == y:
		return 0
	case x == nil:
		return -1
	case y == nil:
		return 1
	}
	return x.Value.Compare(y.Value)
}

// distinct sorts list and leaves one of each.
func distinct[T any](list []T, compare func(x, y T) int) []T {
	slices.SortFunc(list, compare)
	return slices.CompactFunc(list, func(x, y T) bool { return compare(x, y) == 0 })
}
