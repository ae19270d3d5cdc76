package evaluator

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// A plan makes each part of a constant by itself, in a variable of its own, every time
// it comes to it. The statements that do no more than that are taken out of the plan,
// and what a constant is made of with them: a table of 10,000 numbers is one variable
// that is set.

// trim takes the parts of constants out of the blocks of fn, and gives the constants of
// each block by their variables.
func trim(fn *ir.Func, strings []*ast.Term) map[*ir.Block]map[ir.Local]*ast.Term {
	out := map[*ir.Block]map[ir.Local]*ast.Term{}
	for _, b := range fn.Blocks {
		first := firstOwn(fn)
		chain := elseChain(b)
		tellApart(chain, first)
		found := constants(b, fn.Return, strings)
		parts := partsOf(b, found)
		if len(parts.unused) > 0 {
			parts.takeOut([]*ir.Block{b})
			found = renumber(b, found, first)
		}
		if _, after := numbering(b, first, first); chain != nil && after-first > manyVariables {
			found = overlap(chain, found, first)
		}
		out[b] = found
	}
	return out
}

// manyVariables is how many the branches of an else chain may have together. Beyond
// that, they share them.
const manyVariables = 128

// elseChain are the branches of the definition in b, nil where it has one.
func elseChain(b *ir.Block) []*ir.Block {
	if _, _, ok := definition(b); !ok {
		return nil
	}
	if chain, ok := b.Stmts[0].(*ir.BlockStmt); ok {
		return chain.Blocks
	}
	return nil
}

// firstOwn is the first variable that a block of fn has for itself. Before it are the
// parameters, the result, and the variable for the value of a definition.
func firstOwn(fn *ir.Func) ir.Local {
	last := fn.Return
	for _, p := range fn.Params {
		last = max(last, p)
	}
	return last + 2
}

// parts says what is there for constants alone.
type parts struct {
	constants map[ir.Local]*ast.Term
	// unused are constants that nothing reads but the statements that fill others.
	unused map[ir.Local]bool
}

func partsOf(b *ir.Block, constants map[ir.Local]*ast.Term) *parts {
	p := &parts{constants: constants, unused: map[ir.Local]bool{}}
	filling := map[ir.Local]bool{}
	for v := range constants {
		p.unused[v] = true
	}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		if target, ok := p.fills(s); ok {
			reads(s, func(v ir.Local) {
				if v != target {
					filling[v] = true
				}
			})
			return
		}
		reads(s, func(v ir.Local) { delete(p.unused, v) })
	})
	// What nothing reads at all may have been made for its place in a pattern.
	maps.DeleteFunc(p.unused, func(v ir.Local, _ bool) bool { return !filling[v] })
	return p
}

// fills reports whether s adds to a constant, and to which.
func (p *parts) fills(s ir.Stmt) (ir.Local, bool) {
	var target ir.Local
	switch s := s.(type) {
	case *ir.ArrayAppendStmt:
		target = s.Array
	case *ir.SetAddStmt:
		target = s.Set
	case *ir.ObjectInsertStmt:
		target = s.Object
	default:
		return 0, false
	}
	return target, p.constants[target] != nil
}

func (p *parts) makes(s ir.Stmt) bool {
	switch s.(type) {
	case *ir.MakeNullStmt, *ir.MakeNumberIntStmt, *ir.MakeNumberRefStmt, *ir.MakeArrayStmt, *ir.MakeSetStmt, *ir.MakeObjectStmt:
		unused := false
		writes(s, func(v ir.Local) { unused = p.unused[v] })
		return unused
	}
	return false
}

func (p *parts) takeOut(blocks []*ir.Block) {
	for _, b := range blocks {
		b.Stmts = slices.DeleteFunc(b.Stmts, func(s ir.Stmt) bool {
			_, fills := p.fills(s)
			return fills || p.makes(s)
		})
		for _, s := range b.Stmts {
			switch s := s.(type) {
			case *ir.BlockStmt:
				p.takeOut(s.Blocks)
			case *ir.NotStmt:
				p.takeOut([]*ir.Block{s.Block})
			case *ir.ScanStmt:
				p.takeOut([]*ir.Block{s.Block})
			case *ir.WithStmt:
				p.takeOut([]*ir.Block{s.Block})
			}
		}
	}
}

// tellApart gives the variables of each branch of an else chain numbers of their own:
// the plan numbers them anew.
func tellApart(chain []*ir.Block, first ir.Local) {
	next := first
	for _, branch := range chain {
		next = renumberFrom(branch, first, next)
	}
}

// overlap has the branches share their variables again, but for those of constants that
// have parts, which are not in the plan any more.
func overlap(chain []*ir.Block, constants map[ir.Local]*ast.Term, first ir.Local) map[ir.Local]*ast.Term {
	out, fixed, next := map[ir.Local]*ast.Term{}, map[ir.Local]ir.Local{}, first
	for _, v := range slices.Sorted(maps.Keys(constants)) {
		if v < first {
			out[v] = constants[v]
			continue
		}
		if ast.IsScalar(constants[v].Value) {
			continue
		}
		out[next], fixed[v] = constants[v], next
		next++
	}
	for _, branch := range chain {
		number, _ := numbering(branch, first, next)
		// Constants leave gaps, which is no matter.
		maps.Copy(number, fixed)
		walk([]*ir.Block{branch}, func(s ir.Stmt) { rename(s, number) })
	}
	return out
}

// renumber gives the variables of b from first on numbers without gaps, since a call
// makes room for all of them. It returns the constants by their new variables.
func renumber(b *ir.Block, constants map[ir.Local]*ast.Term, first ir.Local) map[ir.Local]*ast.Term {
	number, _ := numbering(b, first, first)
	walk([]*ir.Block{b}, func(s ir.Stmt) { rename(s, number) })
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
	walk([]*ir.Block{b}, func(s ir.Stmt) { rename(s, number) })
	return next
}

// numbering gives the variables of b from first on new numbers, from next on.
func numbering(b *ir.Block, first, next ir.Local) (number map[ir.Local]ir.Local, after ir.Local) {
	used := map[ir.Local]bool{}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		writes(s, func(v ir.Local) { used[v] = true })
		reads(s, func(v ir.Local) { used[v] = true })
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
	default:
		renameMade(s, locals, operands)
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
