// Package plan makes OPA's plan of an entry rule, and works out what holds of it
// whatever runs it.
package plan

import "github.com/open-policy-agent/opa/v1/ir"

// Walk visits every statement below blocks.
func Walk(blocks []*ir.Block, visit func(ir.Stmt)) {
	for _, b := range blocks {
		for _, s := range b.Stmts {
			visit(s)
			Walk(below(s), visit)
		}
	}
}

// below are the blocks that s holds.
func below(s ir.Stmt) []*ir.Block {
	switch s := s.(type) {
	case *ir.BlockStmt:
		return s.Blocks
	case *ir.NotStmt:
		return []*ir.Block{s.Block}
	case *ir.ScanStmt:
		return []*ir.Block{s.Block}
	case *ir.WithStmt:
		return []*ir.Block{s.Block}
	}
	return nil
}

// Writes calls set for every variable that s assigns or changes.
func Writes(s ir.Stmt, set func(ir.Local)) {
	switch s := s.(type) {
	case *ir.CallStmt:
		set(s.Result)
	case *ir.CallDynamicStmt:
		set(s.Result)
	case *ir.DotStmt:
		set(s.Target)
	case *ir.LenStmt:
		set(s.Target)
	case *ir.ScanStmt:
		set(s.Key)
		set(s.Value)
	case *ir.AssignIntStmt:
		set(s.Target)
	case *ir.AssignVarStmt:
		set(s.Target)
	case *ir.AssignVarOnceStmt:
		set(s.Target)
	case *ir.ResetLocalStmt:
		set(s.Target)
	case *ir.MakeNullStmt:
		set(s.Target)
	case *ir.MakeNumberIntStmt:
		set(s.Target)
	case *ir.MakeNumberRefStmt:
		set(s.Target)
	case *ir.MakeArrayStmt:
		set(s.Target)
	case *ir.MakeObjectStmt:
		set(s.Target)
	case *ir.MakeSetStmt:
		set(s.Target)
	case *ir.ArrayAppendStmt:
		set(s.Array)
	case *ir.ObjectInsertStmt:
		set(s.Object)
	case *ir.ObjectInsertOnceStmt:
		set(s.Object)
	case *ir.ObjectMergeStmt:
		set(s.Target)
	case *ir.SetAddStmt:
		set(s.Set)
	case *ir.WithStmt:
		set(s.Local)
	}
}

// Reads calls use for every variable that s reads, but not for those that only
// statements below it read.
func Reads(s ir.Stmt, use func(ir.Local)) {
	operand := func(o ir.Operand) {
		if v, ok := o.Value.(ir.Local); ok {
			use(v)
		}
	}
	switch s := s.(type) {
	case *ir.ReturnLocalStmt:
		use(s.Source)
	case *ir.CallStmt:
		for _, a := range s.Args {
			operand(a)
		}
	case *ir.CallDynamicStmt:
		for _, a := range s.Args {
			use(a)
		}
		for _, p := range s.Path {
			operand(p)
		}
	case *ir.DotStmt:
		operand(s.Source)
		operand(s.Key)
	case *ir.LenStmt:
		operand(s.Source)
	case *ir.ScanStmt:
		use(s.Source)
	case *ir.AssignVarStmt:
		operand(s.Source)
	case *ir.AssignVarOnceStmt:
		operand(s.Source)
		use(s.Target)
	case *ir.EqualStmt:
		operand(s.A)
		operand(s.B)
	case *ir.NotEqualStmt:
		operand(s.A)
		operand(s.B)
	case *ir.IsArrayStmt:
		operand(s.Source)
	case *ir.IsObjectStmt:
		operand(s.Source)
	case *ir.IsSetStmt:
		operand(s.Source)
	case *ir.IsDefinedStmt:
		use(s.Source)
	case *ir.IsUndefinedStmt:
		use(s.Source)
	default:
		readsMade(s, use, operand)
	}
}

// readsMade is Reads for the statements that fill values, and for those around others.
func readsMade(s ir.Stmt, use func(ir.Local), operand func(ir.Operand)) {
	switch s := s.(type) {
	case *ir.ArrayAppendStmt:
		operand(s.Value)
		use(s.Array)
	case *ir.ObjectInsertStmt:
		operand(s.Key)
		operand(s.Value)
		use(s.Object)
	case *ir.ObjectInsertOnceStmt:
		operand(s.Key)
		operand(s.Value)
		use(s.Object)
	case *ir.ObjectMergeStmt:
		use(s.A)
		use(s.B)
	case *ir.SetAddStmt:
		operand(s.Value)
		use(s.Set)
	case *ir.WithStmt:
		use(s.Local)
		operand(s.Value)
	case *ir.ResultSetAddStmt:
		use(s.Value)
	}
}

// FrameSize is one more than the largest variable, of blocks and of others.
func FrameSize(blocks []*ir.Block, others ...ir.Local) int {
	size := int(ir.Unused)
	grow := func(v ir.Local) { size = max(size, int(v)+1) }
	for _, v := range others {
		grow(v)
	}
	Walk(blocks, func(s ir.Stmt) {
		Writes(s, grow)
		Reads(s, grow)
	})
	return size
}
