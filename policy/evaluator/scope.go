package evaluator

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// newScope is the scope of a function whose blocks are these.
func newScope(p *planner, b *builder, of *functionScope, blocks []*ir.Block) *scope {
	variables := make([]ir.Local, 0, len(of.function.params)+1)
	for _, v := range append([]int{of.function.result}, of.function.params...) {
		variables = append(variables, ir.Local(v))
	}
	of.function.size = max(plan.FrameSize(blocks, variables...), of.function.wanted+1)
	return &scope{planner: p, builder: b, functionScope: of, key: -1}
}

// own lowers blocks of the function, which are in no other.
func (sc *scope) own(blocks []*ir.Block) []block {
	out := make([]block, 0, len(blocks))
	for _, b := range blocks {
		in := *sc
		in.blockScope = &blockScope{Facts: plan.FactsOf(b, in.functionNamed)}
		var first block
		for _, p := range in.passes {
			if p.begin == nil {
				continue
			}
			if s := p.begin(&in, b); s != nil {
				first = append(first, s)
			}
		}
		if plan.ReadsWholeData(b) {
			in.refuse("data is read as a whole")
		}
		out = append(out, append(first, in.block(b)...))
	}
	return out
}

func (sc *scope) functionNamed(name string) *ir.Func {
	if planned := sc.planned[name]; planned != nil {
		return planned.Func
	}
	return nil
}

// apart is the scope of blocks whose end decides about more than one element.
func (sc *scope) apart() *scope {
	in := *sc
	in.key = -1
	return &in
}

// deeper is the scope behind one more block. A loop stands for two of them, of which block
// is the other.
func (sc *scope) deeper() *scope {
	in := *sc
	in.depth++
	return &in
}

func (sc *scope) blocks(blocks []*ir.Block) []block {
	out := make([]block, 0, len(blocks))
	for _, b := range blocks {
		out = append(out, sc.block(b))
	}
	return out
}

// block lowers b, which is one more block around its statements.
func (sc *scope) block(b *ir.Block) block {
	in := sc.deeper()
	out := make(block, 0, len(b.Stmts))
	for i := 0; i < len(b.Stmts); {
		s, used := in.lower(b.Stmts[i:])
		if s != nil {
			out = append(out, s)
		}
		i += used
		switch last := b.Stmts[i-1].(type) {
		case *ir.AssignVarStmt:
			out = append(out, in.bound(last.Target)...)
		case *ir.DotStmt:
			out = append(out, in.bound(last.Target)...)
		case *ir.CallStmt:
			out = append(out, in.bound(last.Result)...)
		}
	}
	return out
}

// lower takes at least one statement.
func (sc *scope) lower(stmts []ir.Stmt) (s statement, used int) {
	for _, form := range sc.forms {
		if s, used := form(sc, stmts); used > 0 {
			return s, used
		}
	}
	return sc.refuse("statement %T is not known", stmts[0]), 1
}

// bound is what follows where v gets its value.
func (sc *scope) bound(v ir.Local) block {
	var out block
	for _, p := range sc.passes {
		if p.bound == nil {
			continue
		}
		if s := p.bound(sc, v); s != nil {
			out = append(out, s)
		}
	}
	return out
}

// refuse says that the plan can't be lowered.
func (sc *scope) refuse(format string, args ...any) statement {
	if sc.err == nil {
		sc.err = fmt.Errorf(format, args...)
	}
	return nil
}

var errUndefinedString = errors.New("a string that the plan does not have")

func (sc *scope) string(index int) *ast.Term {
	if index < 0 || index >= len(sc.strings) {
		if sc.err == nil {
			sc.err = errUndefinedString
		}
		return ast.StringTerm("")
	}
	return sc.strings[index]
}

func (sc *scope) operand(o ir.Operand) operand {
	switch v := o.Value.(type) {
	case ir.Local:
		return sc.local(v)
	case ir.StringIndex:
		return operand{value: sc.string(int(v))}
	case ir.Bool:
		return operand{value: ast.InternedTerm(bool(v))}
	}
	sc.refuse("operand %v", o.Value)
	return operand{}
}

func (sc *scope) local(v ir.Local) operand {
	v = sc.source(v)
	if sc.free[v] {
		return operand{slot: int(v)}
	}
	return operand{slot: int(v), value: sc.constants[v]}
}

func (sc *scope) operands(in []ir.Operand) []operand {
	out := make([]operand, len(in))
	for i, o := range in {
		out[i] = sc.operand(o)
	}
	return out
}

// source is the variable behind v.
func (sc *scope) source(v ir.Local) ir.Local {
	if source, ok := sc.aliases[v]; ok {
		return source
	}
	return v
}

// needed reports whether anything reads v, by whichever name.
func (sc *scope) needed(v ir.Local) bool {
	n := sc.Uses[v]
	for alias, source := range sc.aliases {
		if source == v {
			n += sc.Uses[alias]
			// The statement that makes the alias is gone, and so is what it reads.
			n--
		}
	}
	return n > 0
}

// place is where a statement is written.
func (sc *scope) place(s ir.Stmt) plan.Place { return plan.PlaceIn(sc.policy, s.GetLocation()) }

func (sc *scope) location(s ir.Stmt) *ast.Location {
	at := s.GetLocation()
	place := plan.PlaceIn(sc.policy, at)
	return &ast.Location{File: place.File, Row: at.Row, Col: at.Col, Text: []byte(at.Text)}
}
