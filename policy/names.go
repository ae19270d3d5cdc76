package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// namesIn returns the strings in the text of modules, each with one term. Compiled
// rules and the members of data share that term. OPA then finds a member without
// comparing names, and data with many similar objects takes less memory.
//
// A string in before, the names of the policies that were compiled last, keeps its
// term, because data that did not change refers to it. before may be nil.
func namesIn(modules map[string]*ast.Module, before document.Names) document.Names {
	out := document.Names{}
	for _, module := range modules {
		ast.WalkTerms(module, func(t *ast.Term) bool {
			text, ok := t.Value.(ast.String)
			if !ok || out[string(text)] != nil {
				return false
			}
			name := before[string(text)]
			if name == nil {
				name = ast.StringTerm(string(text))
			}
			out[string(text)] = name
			return false
		})
	}
	return out
}
