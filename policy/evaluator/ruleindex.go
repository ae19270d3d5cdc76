package evaluator

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// ruleIndex asks OPA's own index which definitions can hold, so that neither
// evaluates a definition that the other does not.
type ruleIndex struct {
	index ast.RuleIndex
	// definition is the index of a rule, or of the rule whose else it is, among
	// the function's definitions.
	definition map[*ast.Rule]int
}

// noIndex says that all definitions of a function are run.
const noIndex = -1

// indexesOf are the indexes that a program asks for, of the rules of compiler.
func indexesOf(compiler *ast.Compiler, refs []ast.Ref) ([]*ruleIndex, error) {
	out := make([]*ruleIndex, len(refs))
	for i, ref := range refs {
		index := compiler.RuleIndex(ref)
		if index == nil {
			return nil, fmt.Errorf("%v has no index", ref)
		}
		out[i] = newRuleIndex(index, plan.RulesAt(compiler, ref))
	}
	return out, nil
}

func newRuleIndex(index ast.RuleIndex, rules []*ast.Rule) *ruleIndex {
	out := &ruleIndex{index: index, definition: map[*ast.Rule]int{}}
	n := 0
	for _, rule := range rules {
		if rule.Default {
			continue
		}
		for r := rule; r != nil; r = r.Else {
			out.definition[r] = n
		}
		n++
	}
	return out
}
