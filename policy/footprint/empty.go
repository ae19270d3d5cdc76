package footprint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// emptyPackages are the packages without rules that a reference in rules may read: it is
// to the package, or to something above it. They are sorted. A package makes no
// difference where another module has rules in it or below it, or where the reference
// goes on below it.
func emptyPackages(compiler *ast.Compiler, rules []*ast.Rule) []string {
	empty := map[string]ast.Ref{}
	for _, module := range compiler.Modules {
		path := module.Package.Path
		if len(module.Rules) == 0 && !hasRules(compiler.RuleTree.Find(path)) {
			empty[path.String()] = path
		}
	}
	if len(empty) == 0 {
		return nil
	}
	var out []string
	for _, rule := range rules {
		ast.WalkRefs(rule, func(r ast.Ref) bool {
			if !r.HasPrefix(ast.DefaultRootRef) {
				return false
			}
			known := r.GroundPrefix()
			for name, path := range empty {
				if path.HasPrefix(known) {
					out = append(out, name)
					delete(empty, name)
				}
			}
			return false
		})
	}
	slices.Sort(out)
	return out
}

// hasRules reports whether there are rules at node or below it.
func hasRules(node *ast.TreeNode) bool {
	found := false
	if node != nil {
		node.DepthFirst(func(n *ast.TreeNode) bool {
			found = found || len(n.Values) > 0
			return found
		})
	}
	return found
}
