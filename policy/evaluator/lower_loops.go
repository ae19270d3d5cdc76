package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// scanLevels is how many blocks a loop stands for: leaving the inner one goes
// on with the next element, leaving the outer one ends the loop.
const scanLevels = 2

func (sc *scope) scan(s *ir.ScanStmt) statement {
	in := sc.deeper()
	every := sc.everyLoop(s.Block)
	if every != nil {
		in.every = every
	}
	body := in.block(s.Block)
	after := in.bound(s.Value)
	if s.Key != s.Value {
		after = append(in.bound(s.Key), after...)
	}
	body = append(after, body...)
	if every != nil {
		// One element for which the condition does not hold decides.
		body = append(body, func(*machine, frame) code { return scanLevels })
	}
	loop := scanner{source: sc.local(s.Source), key: int(s.Key), value: int(s.Value), keyed: sc.needed(s.Key), open: sc.Open[s.Value], body: body}
	return loop.run
}

// scanner is one loop of a program.
type scanner struct {
	source     operand
	key, value int
	keyed      bool // the body reads the key
	open       bool // the value need not be complete
	body       block
}

// one runs the body for an element. done says that the loop is over, with code c.
func (s *scanner) one(m *machine, f frame, key, value *ast.Term) (c code, done bool) {
	if c := m.step(); c != next {
		return c, true
	}
	f[s.key], f[s.value] = key, value
	c = s.body.run(m, f)
	switch {
	case c < scanLevels:
		return next, false
	case c >= found:
		return c, true
	}
	return c - scanLevels, true
}

func (s *scanner) run(m *machine, f frame) code {
	source := s.source.in(f)
	if source == nil {
		return next
	}
	switch v := source.Value.(type) {
	case *ast.Array:
		// The body can't change its length.
		for i, n := 0, v.Len(); i < n; i++ {
			var key *ast.Term
			if s.keyed {
				key = ast.InternedTerm(i)
			}
			if c, done := s.one(m, f, key, v.Elem(i)); done {
				return c
			}
		}
	case ast.Set:
		for _, elem := range v.Slice() {
			if c, done := s.one(m, f, elem, elem); done {
				return c
			}
		}
	case *layer:
		return s.runLayer(m, f, v)
	case ast.Object:
		var c code
		v.Until(func(key, value *ast.Term) (done bool) {
			c, done = s.one(m, f, key, value)
			return done
		})
		return c
	}
	return next
}

func (s *scanner) runLayer(m *machine, f frame, l *layer) code {
	for _, key := range l.members() {
		value := l.Get(key)
		if !s.open {
			value = complete(value)
		}
		if c, done := s.one(m, f, key, value); done {
			return c
		}
	}
	return next
}

// everyLoop recognises the loop of an `every`, nil for another one: a block that sets a
// condition, and a second condition that is set when the first was not.
func (sc *scope) everyLoop(b *ir.Block) *everyLoop {
	n := len(b.Stmts)
	if n < 4 {
		return nil
	}
	reset, ok1 := b.Stmts[n-4].(*ir.ResetLocalStmt)
	inner, ok2 := b.Stmts[n-3].(*ir.BlockStmt)
	missing, ok3 := b.Stmts[n-2].(*ir.IsUndefinedStmt)
	assign, ok4 := b.Stmts[n-1].(*ir.AssignVarStmt)
	if !ok1 || !ok2 || !ok3 || !ok4 || len(inner.Blocks) != 1 || missing.Source != reset.Target {
		return nil
	}
	if v, ok := assign.Source.Value.(ir.Bool); !ok || !bool(v) {
		return nil
	}
	// The loop stands for two blocks, and the inner block is one more.
	return &everyLoop{condition: reset.Target, depth: sc.depth + scanLevels + 1, outer: sc.every}
}
