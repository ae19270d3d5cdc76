package plan

import "github.com/open-policy-agent/opa/v1/ir"

// Facts are what holds of the variables of one of a function's own blocks, wherever in
// it they are.
type Facts struct {
	// Writes and Uses count the statements that set and that read a variable.
	Writes, Uses map[ir.Local]int
	// Base are the variables that hold data or, by a reference, a part of it.
	Base map[ir.Local]bool
	// Open are the variables from which references go on, and nothing else is read:
	// where a part of data is replaced, what they hold need not be complete.
	Open map[ir.Local]bool
	// Partial are the variables that hold what rules give which fill a set or an
	// object, or by a reference a part of it.
	Partial map[ir.Local]bool
}

// FactsOf works out the facts of b. planned is the function of the plan with that name, nil for others.
func FactsOf(b *ir.Block, planned func(name string) *ir.Func) Facts {
	f := Facts{Writes: map[ir.Local]int{}, Uses: map[ir.Local]int{}, Base: baseDocuments(b), Partial: partialDocuments(b, planned)}
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		Writes(s, func(v ir.Local) { f.Writes[v]++ })
		Reads(s, func(v ir.Local) { f.Uses[v]++ })
	})
	f.Open = openIn(b, f.Uses)
	return f
}

// baseDocuments finds the variables of Facts.Base.
func baseDocuments(b *ir.Block) map[ir.Local]bool {
	base := map[ir.Local]bool{ir.Data: true}
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.DotStmt:
			if v, ok := s.Source.Value.(ir.Local); ok && base[v] {
				base[s.Target] = true
			}
		case *ir.AssignVarStmt:
			if v, ok := s.Source.Value.(ir.Local); ok && base[v] {
				base[s.Target] = true
			}
		case *ir.ScanStmt:
			if base[s.Source] {
				base[s.Value] = true
			}
		}
	})
	return base
}

// partialDocuments finds the variables of Facts.Partial.
func partialDocuments(b *ir.Block, planned func(name string) *ir.Func) map[ir.Local]bool {
	out := map[ir.Local]bool{}
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.CallStmt:
			out[s.Result] = out[s.Result] || isPartial(planned(s.Func))
		case *ir.CallDynamicStmt:
			out[s.Result] = true
		case *ir.DotStmt:
			if v, ok := s.Source.Value.(ir.Local); ok && out[v] {
				out[s.Target] = true
			}
		case *ir.AssignVarStmt:
			if v, ok := s.Source.Value.(ir.Local); ok && out[v] {
				out[s.Target] = true
			}
		}
	})
	return out
}

// isPartial reports whether fn is planned from rules that fill a set or an object, which
// it makes first.
func isPartial(fn *ir.Func) bool {
	if fn == nil || len(fn.Blocks) == 0 || len(fn.Blocks[0].Stmts) == 0 {
		return false
	}
	switch s := fn.Blocks[0].Stmts[0].(type) {
	case *ir.MakeObjectStmt:
		return s.Target == fn.Return
	case *ir.MakeSetStmt:
		return s.Target == fn.Return
	}
	return false
}

// openIn finds the variables of Facts.Open.
func openIn(b *ir.Block, uses map[ir.Local]int) map[ir.Local]bool {
	o := &openFinder{goesOn: map[ir.Local]int{}, passes: map[ir.Local]ir.Local{}}
	o.visit([]*ir.Block{b})
	out := map[ir.Local]bool{}
	for v, n := range o.goesOn {
		out[v] = n == uses[v]
	}
	for v, to := range o.passes {
		out[v] = uses[v] == 1 && out[to]
	}
	return out
}

// openFinder looks for references that go on.
type openFinder struct {
	goesOn map[ir.Local]int
	passes map[ir.Local]ir.Local
}

func (o *openFinder) visit(blocks []*ir.Block) {
	for _, b := range blocks {
		for i, s := range b.Stmts {
			switch s := s.(type) {
			case *ir.DotStmt:
				if v, ok := s.Source.Value.(ir.Local); ok && s.Key.Value != s.Source.Value {
					o.goesOn[v]++
				}
			case *ir.ScanStmt:
				o.goesOn[s.Source]++
			case *ir.AssignVarStmt:
				// A reference whose rule is not there goes on after the block.
				if v, ok := s.Source.Value.(ir.Local); ok && i+1 < len(b.Stmts) && leavesOne(b.Stmts[i+1]) {
					o.passes[v] = s.Target
				}
			}
			o.visit(below(s))
		}
	}
}

func leavesOne(s ir.Stmt) bool {
	leave, ok := s.(*ir.BreakStmt)
	return ok && leave.Index == 1
}

// ReadsWholeData reports whether b reads data itself rather than a part of it. The
// interpreter leaves data.system out there.
func ReadsWholeData(b *ir.Block) bool {
	saved := map[ir.Local]bool{}
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		if s, ok := s.(*ir.WithStmt); ok {
			if v, ok := s.Value.Value.(ir.Local); ok {
				saved[v] = true
			}
		}
	})
	whole := false
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.CallStmt, *ir.CallDynamicStmt:
			return // data is passed on to rules
		case *ir.DotStmt:
			if s.Source.Value == ir.Data {
				return
			}
		case *ir.AssignVarStmt:
			if saved[s.Target] {
				return // for the end of a with
			}
		case *ir.WithStmt:
			if s.Local == ir.Data && s.Value.Value != ir.Data {
				return
			}
		}
		Reads(s, func(v ir.Local) { whole = whole || v == ir.Data })
	})
	return whole
}
