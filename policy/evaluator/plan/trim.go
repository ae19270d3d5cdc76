package plan

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

// Trim takes the parts of constants out of the blocks of fn, and gives the constants of
// each block by their variables.
func Trim(fn *ir.Func, strings []*ast.Term) map[*ir.Block]map[ir.Local]*ast.Term {
	out := map[*ir.Block]map[ir.Local]*ast.Term{}
	for _, b := range fn.Blocks {
		first := firstOwn(fn)
		chain := elseChain(b)
		tellApart(chain, first)
		found := Constants(b, fn.Return, strings)
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
	Walk([]*ir.Block{b}, func(s ir.Stmt) {
		if target, ok := p.fills(s); ok {
			Reads(s, func(v ir.Local) {
				if v != target {
					filling[v] = true
				}
			})
			return
		}
		Reads(s, func(v ir.Local) { delete(p.unused, v) })
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
		Writes(s, func(v ir.Local) { unused = p.unused[v] })
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
			p.takeOut(below(s))
		}
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
		Walk([]*ir.Block{branch}, func(s ir.Stmt) { rename(s, number) })
	}
	return out
}
