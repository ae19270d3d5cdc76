package policy

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// rivals finds the other rules that give a value to what the rule at loc gives
// one: OPA names one side of a conflict, and its author needs both. "" when
// there is none.
func rivals(modules []*ast.Module, loc *ast.Location) string {
	if loc == nil {
		return ""
	}
	var here *ast.Rule
	for _, m := range modules {
		for _, rule := range m.Rules {
			if rule.Location.File == loc.File && rule.Location.Row <= loc.Row && (here == nil || rule.Location.File != here.Location.File || rule.Location.Row > here.Location.Row) {
				here = rule
			}
		}
	}
	if here == nil {
		return ""
	}
	var others []string
	ref := here.Ref().GroundPrefix()
	for _, m := range modules {
		for _, rule := range m.Rules {
			if rule == here {
				continue
			}
			// A head that ends in a variable may give any name below its prefix.
			if other := rule.Ref().GroundPrefix(); other.HasPrefix(ref) || ref.HasPrefix(other) {
				others = append(others, location(rule.Location))
			}
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "; the other value may come from " + strings.Join(others, " or ")
}
