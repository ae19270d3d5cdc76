package plan

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// tellApart gives the variables of each branch of an else chain numbers of their own:
// in the plan, each branch begins with the same number.
func tellApart(chain []*ir.Block, first ir.Local) {
	next := first
	for _, branch := range chain {
		next = renumberFrom(branch, first, next)
	}
}

// renumber gives the variables of b from first on numbers without gaps, since a call
// makes room for all of them. It returns the constants by their new variables.
func renumber(b *ir.Block, constants map[ir.Local]*ast.Term, first ir.Local) map[ir.Local]*ast.Term {
	number, _ := numbering(b, first, first)
	Walk([]*ir.Block{b}, func(s ir.Stmt) { rename(s, number) })
	out := map[ir.Local]*ast.Term{}
	for v, term := range constants {
		if n, ok := number[v]; ok {
			out[n] = term
		} else if v < first {
			out[v] = term
		}
	}
	return out
}

func renumberFrom(b *ir.Block, first, next ir.Local) ir.Local {
	number, next := numbering(b, first, next)
	Walk([]*ir.Block{b}, func(s ir.Stmt) { rename(s, number) })
	return next
}

// numbering gives the variables of b from first on new numbers, from next on.
func numbering(b *ir.Block, first, next ir.Local) (number map[ir.Local]ir.Local, after ir.Local) {
	used := map[ir.Local]bool{}
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		Writes(s, func(v ir.Local) { used[v] = true })
		Reads(s, func(v ir.Local) { used[v] = true })
	})
	number = map[ir.Local]ir.Local{}
	for _, v := range slices.Sorted(maps.Keys(used)) {
		if v >= first {
			number[v] = next
			next++
		}
	}
	return number, next
}

// rename changes the variables of s, without those of statements below it.
func rename(s ir.Stmt, number map[ir.Local]ir.Local) {
	locals := func(all ...*ir.Local) {
		for _, v := range all {
			if n, ok := number[*v]; ok {
				*v = n
			}
		}
	}
	operands := func(all ...*ir.Operand) {
		for _, o := range all {
			if v, ok := o.Value.(ir.Local); ok {
				locals(&v)
				o.Value = v
			}
		}
	}
	switch s := s.(type) {
	case *ir.ReturnLocalStmt:
		locals(&s.Source)
	case *ir.CallStmt:
		s.Args = slices.Clone(s.Args)
		for i := range s.Args {
			operands(&s.Args[i])
		}
		locals(&s.Result)
	case *ir.CallDynamicStmt:
		s.Args, s.Path = slices.Clone(s.Args), slices.Clone(s.Path)
		for i := range s.Args {
			locals(&s.Args[i])
		}
		for i := range s.Path {
			operands(&s.Path[i])
		}
		locals(&s.Result)
	case *ir.DotStmt:
		operands(&s.Source, &s.Key)
		locals(&s.Target)
	case *ir.LenStmt:
		operands(&s.Source)
		locals(&s.Target)
	case *ir.ScanStmt:
		locals(&s.Source, &s.Key, &s.Value)
	case *ir.AssignVarStmt:
		operands(&s.Source)
		locals(&s.Target)
	case *ir.AssignVarOnceStmt:
		operands(&s.Source)
		locals(&s.Target)
	case *ir.AssignIntStmt:
		locals(&s.Target)
	default:
		renameMade(s, locals, operands)
		renameChecked(s, locals, operands)
	}
}

// renameChecked is rename for the statements that set no variable of their own.
func renameChecked(s ir.Stmt, locals func(...*ir.Local), operands func(...*ir.Operand)) {
	switch s := s.(type) {
	case *ir.EqualStmt:
		operands(&s.A, &s.B)
	case *ir.NotEqualStmt:
		operands(&s.A, &s.B)
	case *ir.IsArrayStmt:
		operands(&s.Source)
	case *ir.IsObjectStmt:
		operands(&s.Source)
	case *ir.IsSetStmt:
		operands(&s.Source)
	case *ir.IsDefinedStmt:
		locals(&s.Source)
	case *ir.IsUndefinedStmt:
		locals(&s.Source)
	case *ir.WithStmt:
		locals(&s.Local)
		operands(&s.Value)
	case *ir.ResultSetAddStmt:
		locals(&s.Value)
	}
}

// renameMade is rename for the statements that make and fill values.
func renameMade(s ir.Stmt, locals func(...*ir.Local), operands func(...*ir.Operand)) {
	switch s := s.(type) {
	case *ir.ResetLocalStmt:
		locals(&s.Target)
	case *ir.MakeNullStmt:
		locals(&s.Target)
	case *ir.MakeNumberIntStmt:
		locals(&s.Target)
	case *ir.MakeNumberRefStmt:
		locals(&s.Target)
	case *ir.MakeArrayStmt:
		locals(&s.Target)
	case *ir.MakeObjectStmt:
		locals(&s.Target)
	case *ir.MakeSetStmt:
		locals(&s.Target)
	case *ir.ArrayAppendStmt:
		operands(&s.Value)
		locals(&s.Array)
	case *ir.ObjectInsertStmt:
		operands(&s.Key, &s.Value)
		locals(&s.Object)
	case *ir.ObjectInsertOnceStmt:
		operands(&s.Key, &s.Value)
		locals(&s.Object)
	case *ir.ObjectMergeStmt:
		locals(&s.A, &s.B, &s.Target)
	case *ir.SetAddStmt:
		operands(&s.Value)
		locals(&s.Set)
	}
}
