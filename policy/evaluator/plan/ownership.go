package plan

import "github.com/open-policy-agent/opa/v1/ir"

// The plan of rules that fill nested objects looks up an inner object and adds
// to it in place. Where another of the rules may have put a value of the input
// or of data there, that value would be changed for all evaluations.

// ChangesForeign reports whether fn might add to a value that is not its own.
func ChangesForeign(fn *ir.Func) bool {
	// How deep in the result the value of a variable lies.
	depth := map[ir.Local]int{fn.Return: 0}
	deepest, shallowest := 0, -1
	Walk(fn.Blocks, func(s ir.Stmt) {
		changed := func(v ir.Local) {
			if d, ok := depth[v]; ok {
				deepest = max(deepest, d)
			}
		}
		switch s := s.(type) {
		case *ir.ResetLocalStmt:
			// Each definition numbers its variables from the start again.
			depth = map[ir.Local]int{fn.Return: 0}
		case *ir.DotStmt:
			if source, ok := s.Source.Value.(ir.Local); ok {
				if d, ok := depth[source]; ok {
					depth[s.Target] = d + 1
				}
			}
		case *ir.SetAddStmt:
			changed(s.Set)
		case *ir.ObjectInsertStmt:
			changed(s.Object)
		case *ir.ObjectInsertOnceStmt:
			changed(s.Object)
			if d, ok := depth[s.Object]; ok && (shallowest < 0 || d < shallowest) {
				shallowest = d
			}
		}
	})
	return shallowest >= 0 && deepest > shallowest
}
