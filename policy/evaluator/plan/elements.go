package plan

import "github.com/open-policy-agent/opa/v1/ir"

// AddsOneElement reports whether each definition of fn, which d is the layout of, ends by
// adding one element to its result, so that those under other keys can be left out.
func (d Layout) AddsOneElement(fn *ir.Func) bool {
	if len(d.Definitions) == 0 || len(fn.Params) != PassedOn {
		return false
	}
	for _, blocks := range d.Definitions {
		added := 0
		for _, key := range ElementKeys(blocks, fn.Return) {
			if key.Value == nil {
				return false
			}
			added++
		}
		if added != 1 {
			return false
		}
	}
	return true
}

// ElementKeys are the keys under which blocks add to result. One without value
// stands for anything else that changes it.
func ElementKeys(blocks []*ir.Block, result ir.Local) []ir.Operand {
	var out []ir.Operand
	Walk(blocks, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.SetAddStmt:
			if s.Set == result {
				out = append(out, s.Value)
				return
			}
		case *ir.ObjectInsertOnceStmt:
			if s.Object == result {
				out = append(out, s.Key)
				return
			}
		}
		Writes(s, func(v ir.Local) {
			if v == result {
				out = append(out, ir.Operand{})
			}
		})
		Reads(s, func(v ir.Local) {
			if v == result {
				out = append(out, ir.Operand{})
			}
		})
	})
	return out
}

// OnlyAddsToSet reports whether fn, which d is the layout of, does no more than add
// elements to a set, and return it.
func (d Layout) OnlyAddsToSet(fn *ir.Func) bool {
	if !d.AddsOneElement(fn) || len(d.Prologue) != 1 || len(d.Prologue[0].Stmts) != 1 || len(d.Epilogue) != 1 || len(d.Epilogue[0].Stmts) != 1 {
		return false
	}
	if made, ok := d.Prologue[0].Stmts[0].(*ir.MakeSetStmt); !ok || made.Target != fn.Return {
		return false
	}
	_, ok := d.Epilogue[0].Stmts[0].(*ir.ReturnLocalStmt)
	return ok
}
