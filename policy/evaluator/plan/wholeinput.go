package plan

import "github.com/open-policy-agent/opa/v1/ir"

// PassedOn are the arguments of every planned function that are input and data.
const PassedOn = 2

// ReadsWholeInput reports whether policy reads input otherwise than by paths of names.
func ReadsWholeInput(policy *ir.Policy) bool {
	planned := map[string]bool{}
	for _, fn := range policy.Funcs.Funcs {
		planned[fn.Name] = true
	}
	whole := false
	check := func(s ir.Stmt) { whole = whole || readsInput(s, planned) }
	for _, fn := range policy.Funcs.Funcs {
		Walk(fn.Blocks, check)
	}
	for _, p := range policy.Plans.Plans {
		Walk(p.Blocks, check)
	}
	return whole
}

// readsInput reports whether s reads input as one value.
func readsInput(s ir.Stmt, planned map[string]bool) bool {
	whole := false
	read := func(o ir.Operand) { whole = whole || o.Value == ir.Input }
	switch s := s.(type) {
	case *ir.DotStmt:
		read(s.Key)
		if _, named := s.Key.Value.(ir.StringIndex); !named {
			read(s.Source)
		}
	case *ir.CallStmt:
		for i, a := range s.Args {
			if !planned[s.Func] || i >= PassedOn {
				read(a)
			}
		}
	case *ir.CallDynamicStmt:
		for i, a := range s.Args {
			whole = whole || i >= PassedOn && a == ir.Input
		}
		for _, p := range s.Path {
			read(p)
		}
	default:
		Reads(s, func(v ir.Local) { whole = whole || v == ir.Input })
	}
	return whole
}
