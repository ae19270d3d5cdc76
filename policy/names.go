package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// sharedNames are the strings that policies write, each as one term that programs and
// the members of data share: OPA finds a member without comparing its name where
// both are the same term, and data with many equal objects takes less memory.
type sharedNames map[string]*ast.Term

// namesIn returns the names of modules. Those that were in use before stay the
// same terms, as data that did not change has them.
func namesIn(modules map[string]*ast.Module, before sharedNames) sharedNames {
	out := sharedNames{}
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
