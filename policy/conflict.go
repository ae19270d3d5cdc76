package policy

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// conflictingRules returns the end of the message about a conflict at loc: the
// locations of the other rules that may give a value to the same name. OPA names
// one rule of a conflict, and the author of the policy needs both. The result is ""
// when there is no other rule.
func conflictingRules(modules []*ast.Module, loc *ast.Location) string {
	here := ruleAt(modules, loc)
	if here == nil {
		return ""
	}
	var others []string
	ref := here.Ref().GroundPrefix()
	for _, m := range modules {
		for _, rule := range m.Rules {
			// A head that ends in a variable may give any name below its prefix.
			other := rule.Ref().GroundPrefix()
			if rule != here && (other.HasPrefix(ref) || ref.HasPrefix(other)) {
				others = append(others, location(rule.Location))
			}
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "; the other value may come from " + strings.Join(others, " or ")
}

// ruleAt returns the rule that contains loc: the last rule of the file that begins
// on the line of loc or above it. It returns nil when no rule does.
func ruleAt(modules []*ast.Module, loc *ast.Location) *ast.Rule {
	if loc == nil {
		return nil
	}
	var found *ast.Rule
	for _, m := range modules {
		for _, rule := range m.Rules {
			at := rule.Location
			if at.File == loc.File && at.Row <= loc.Row && (found == nil || at.Row > found.Location.Row) {
				found = rule
			}
		}
	}
	return found
}
