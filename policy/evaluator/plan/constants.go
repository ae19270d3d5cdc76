package plan

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// Constants finds the variables of a block that hold one constant wherever they
// are defined: scalars, and the composite literals made of them.
func Constants(b *ir.Block, result ir.Local, strings []*ast.Term) map[ir.Local]*ast.Term {
	blocks := []*ir.Block{b}
	written := map[ir.Local]int{}
	Walk(blocks, func(s ir.Stmt) { Writes(s, func(v ir.Local) { written[v]++ }) })
	c := &constantFinder{strings: strings, written: written, result: result, found: map[ir.Local]*ast.Term{}}
	Walk(blocks, c.scalar)
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
			c.composites(below(s))
			switch s := s.(type) {
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
