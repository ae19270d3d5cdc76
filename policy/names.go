package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// namesIn returns the strings that modules write, each as one term that programs
// and the members of data share: OPA finds a member without comparing its name
// where both are the same term, and data with many equal objects takes less memory.
//
// A string of before, the names of the policies that were compiled last, stays the
// same term: data that did not change refers to that term. before may be nil.
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
