package evaluator

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// walk visits every statement below blocks.
func walk(blocks []*ir.Block, visit func(ir.Stmt)) {
	for _, b := range blocks {
		for _, s := range b.Stmts {
			visit(s)
			switch s := s.(type) {
			case *ir.BlockStmt:
				walk(s.Blocks, visit)
			case *ir.NotStmt:
				walk([]*ir.Block{s.Block}, visit)
			case *ir.ScanStmt:
				walk([]*ir.Block{s.Block}, visit)
			case *ir.WithStmt:
				walk([]*ir.Block{s.Block}, visit)
			}
		}
	}
}

// writes calls set for every variable that s assigns or changes.
func writes(s ir.Stmt, set func(ir.Local)) {
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

// reads calls use for every variable that s reads, but not for those that only
// statements below it read.
func reads(s ir.Stmt, use func(ir.Local)) {
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

// frameSize is one more than the largest variable.
func frameSize(blocks []*ir.Block, f *function) int {
	size := max(f.result+1, int(ir.Unused))
	for _, p := range f.params {
		size = max(size, p+1)
	}
	grow := func(v ir.Local) { size = max(size, int(v)+1) }
	walk(blocks, func(s ir.Stmt) {
		writes(s, grow)
		reads(s, grow)
	})
	return size
}

// constants finds the variables of a block that hold one constant wherever they
// are defined: scalars, and the composite literals made of them.
func constants(b *ir.Block, result ir.Local, strings []*ast.Term) map[ir.Local]*ast.Term {
	blocks := []*ir.Block{b}
	written := map[ir.Local]int{}
	walk(blocks, func(s ir.Stmt) { writes(s, func(v ir.Local) { written[v]++ }) })
	c := &constantFinder{strings: strings, written: written, result: result, found: map[ir.Local]*ast.Term{}}
	walk(blocks, c.scalar)
	c.composites(blocks)
	return c.found
}

type constantFinder struct {
	strings []*ast.Term
	written map[ir.Local]int
	result  ir.Local
	found   map[ir.Local]*ast.Term
}

func (c *constantFinder) scalar(s ir.Stmt) {
	switch s := s.(type) {
	case *ir.MakeNullStmt:
		c.once(s.Target, 1, ast.NullTerm())
	case *ir.MakeNumberIntStmt:
		c.once(s.Target, 1, ast.InternedTerm(s.Value))
	case *ir.MakeNumberRefStmt:
		if s.Index >= 0 && s.Index < len(c.strings) {
			c.once(s.Target, 1, ast.NewTerm(ast.Number(string(c.strings[s.Index].Value.(ast.String)))))
		}
	}
}

// composites goes backwards, since the parts of a literal are made after it.
func (c *constantFinder) composites(blocks []*ir.Block) {
	for _, b := range blocks {
		for i, s := range slices.Backward(b.Stmts) {
			switch s := s.(type) {
			case *ir.BlockStmt:
				c.composites(s.Blocks)
			case *ir.NotStmt:
				c.composites([]*ir.Block{s.Block})
			case *ir.ScanStmt:
				c.composites([]*ir.Block{s.Block})
			case *ir.WithStmt:
				c.composites([]*ir.Block{s.Block})
			case *ir.MakeArrayStmt:
				c.literal(s.Target, b.Stmts[i+1:], func(parts, _ []*ast.Term) ast.Value { return ast.NewArray(parts...) })
			case *ir.MakeSetStmt:
				c.literal(s.Target, b.Stmts[i+1:], func(parts, _ []*ast.Term) ast.Value {
					set := ast.NewSet(parts...)
					set.Slice() // sorts it, once for all evaluations
					return set
				})
			case *ir.MakeObjectStmt:
				c.literal(s.Target, b.Stmts[i+1:], func(values, keys []*ast.Term) ast.Value {
					object := ast.NewObject()
					for i := range values {
						object.Insert(keys[i], values[i])
					}
					object.Keys()
					return object
				})
			}
		}
	}
}

func (c *constantFinder) once(v ir.Local, writes int, value *ast.Term) {
	if c.written[v] == writes && v != c.result {
		c.found[v] = value
	}
}

// literal recognises a composite whose parts follow at once and are constant.
func (c *constantFinder) literal(target ir.Local, rest []ir.Stmt, build func(values, keys []*ast.Term) ast.Value) {
	want := c.written[target] - 1 // beside the statement that makes it
	var values, keys []*ast.Term
	for _, s := range rest {
		if len(values) == want {
			break
		}
		var into ir.Local
		var value ir.Operand
		key := ast.NullTerm()
		switch s := s.(type) {
		case *ir.ArrayAppendStmt:
			into, value = s.Array, s.Value
		case *ir.SetAddStmt:
			into, value = s.Set, s.Value
		case *ir.ObjectInsertStmt:
			into, value, key = s.Object, s.Value, c.operand(s.Key)
		case *ir.MakeNullStmt, *ir.MakeNumberIntStmt, *ir.MakeNumberRefStmt, *ir.MakeArrayStmt, *ir.MakeObjectStmt, *ir.MakeSetStmt:
			continue // a part of the literal
		default:
			return
		}
		if into != target {
			continue // of a part of the literal
		}
		term := c.operand(value)
		if term == nil || key == nil {
			return
		}
		values, keys = append(values, term), append(keys, key)
	}
	if len(values) == want {
		c.once(target, want+1, ast.NewTerm(build(values, keys)))
	}
}

func (c *constantFinder) operand(o ir.Operand) *ast.Term {
	switch v := o.Value.(type) {
	case ir.Local:
		return c.found[v]
	case ir.StringIndex:
		if int(v) >= 0 && int(v) < len(c.strings) {
			return c.strings[v]
		}
	case ir.Bool:
		return ast.InternedTerm(bool(v))
	}
	return nil
}

// baseDocuments finds the variables that hold data or, by a reference, a part
// of it.
func baseDocuments(b *ir.Block) map[ir.Local]bool {
	base := map[ir.Local]bool{ir.Data: true}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
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

// wholeData reports whether b reads data itself rather than a part of it. The
// interpreter leaves data.system out there.
func wholeData(b *ir.Block) bool {
	saved := map[ir.Local]bool{}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		if s, ok := s.(*ir.WithStmt); ok {
			if v, ok := s.Value.Value.(ir.Local); ok {
				saved[v] = true
			}
		}
	})
	whole := false
	walk([]*ir.Block{b}, func(s ir.Stmt) {
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
		reads(s, func(v ir.Local) { whole = whole || v == ir.Data })
	})
	return whole
}

// count says how many statements of b set and read each variable.
func count(b *ir.Block) (written, read map[ir.Local]int) {
	written, read = map[ir.Local]int{}, map[ir.Local]int{}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		writes(s, func(v ir.Local) { written[v]++ })
		reads(s, func(v ir.Local) { read[v]++ })
	})
	return written, read
}

// aliasesIn finds the variables of b that are no more than another name of one
// that does not change while they are read.
func (l *lowering) aliasesIn(b *ir.Block) map[ir.Local]ir.Local {
	bare := map[ir.Local]bool{ir.Local(l.function.result): true}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.IsDefinedStmt:
			bare[s.Source] = true
		case *ir.IsUndefinedStmt:
			bare[s.Source] = true
		case *ir.ResultSetAddStmt:
			bare[s.Value] = true
		case *ir.WithStmt:
			bare[s.Local] = true
		}
	})
	params := map[ir.Local]bool{}
	for _, p := range l.function.params {
		params[ir.Local(p)] = true
	}
	out := map[ir.Local]ir.Local{}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		assign, ok := s.(*ir.AssignVarStmt)
		if !ok {
			return
		}
		source, ok := assign.Source.Value.(ir.Local)
		if !ok || bare[assign.Target] || bare[source] || l.writes[assign.Target] != 1 {
			return
		}
		if params[source] && l.writes[source] == 0 || !params[source] && l.writes[source] == 1 {
			if further, ok := out[source]; ok {
				source = further
			}
			out[assign.Target] = source
		}
	})
	return out
}

// enumerates reports whether blocks go through the names of a package, its
// rules first and its data after that. OPA's interpreter has another order.
func enumerates(blocks []*ir.Block) bool {
	found := false
	walk(blocks, func(s ir.Stmt) {
		if not, ok := s.(*ir.NotStmt); ok && len(not.Block.Stmts) == 1 {
			// Data under the name of a rule is passed over.
			_, ok := not.Block.Stmts[0].(*ir.DotStmt)
			found = found || ok
		}
	})
	return found
}
