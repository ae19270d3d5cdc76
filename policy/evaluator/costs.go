package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// cost is how much a call of a function is worth remembering.
type cost int

const (
	// cheap functions are called again faster than they are looked up.
	cheap cost = iota
	// moderate functions remember their last call.
	moderate
	// expensive functions loop, or may take long: they have a table of their calls.
	expensive
)

// moderateBuiltins take about as long as a look into a table.
func moderateBuiltins() map[string]bool {
	out := map[string]bool{}
	for _, b := range []*ast.Builtin{
		ast.Concat, ast.Sprintf, ast.Upper, ast.Lower, ast.Trim, ast.TrimLeft, ast.TrimRight, ast.TrimPrefix, ast.TrimSuffix, ast.TrimSpace,
		ast.Split, ast.Replace, ast.Substring, ast.IndexOf, ast.Plus, ast.Minus, ast.Multiply, ast.Divide, ast.Rem, ast.Abs, ast.Round, ast.Ceil, ast.Floor,
		ast.ObjectGet, ast.ObjectKeys, ast.Count, ast.ToNumber, ast.FormatInt, ast.TypeNameBuiltin, ast.MemberWithKey,
	} {
		out[b.Name] = true
	}
	return out
}

// costs finds what the calls of each function cost.
func costs(functions []*ir.Func) map[string]cost {
	moderates := moderateBuiltins()
	out := map[string]cost{}
	planned := map[string]bool{}
	for _, fn := range functions {
		planned[fn.Name] = true
	}
	of := func(s ir.Stmt) cost {
		switch s := s.(type) {
		case *ir.ScanStmt, *ir.CallDynamicStmt, *ir.WithStmt:
			return expensive
		case *ir.CallStmt:
			switch {
			case planned[s.Func] && len(s.Args) == 2:
				return cheap // a rule remembers its own result
			case planned[s.Func]:
				return out[s.Func]
			case predicates(s.Func) != nil || kinds(s.Func) != nil:
				return cheap
			case moderates[s.Func]:
				return moderate
			}
			return expensive
		}
		return cheap
	}
	for changed := true; changed; {
		changed = false
		for _, fn := range functions {
			before := out[fn.Name]
			walk(fn.Blocks, func(s ir.Stmt) { out[fn.Name] = max(out[fn.Name], of(s)) })
			changed = changed || out[fn.Name] != before
		}
	}
	return out
}
