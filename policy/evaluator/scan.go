package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// scanLevels is how many blocks a loop stands for: leaving the inner one goes
// on with the next element, leaving the outer one ends the loop.
const scanLevels = 2

func (l *lowering) scan(s *ir.ScanStmt) statement {
	condition, every := l.everyCondition(s.Block)
	l.depth += scanLevels - 1
	body := l.block(s.Block)
	if l.key >= 0 && (l.key == s.Key || l.key == s.Value) {
		body = append(block{l.passOver(l.local(l.key))}, body...)
	}
	l.depth -= scanLevels - 1
	if every {
		delete(l.conditions, condition)
		// One element for which the condition does not hold decides.
		body = append(body, func(*machine, frame) code { return scanLevels })
	}
	loop := scanner{source: l.local(s.Source), key: int(s.Key), value: int(s.Value), keyed: l.needed(s.Key), open: l.open[s.Value], body: body}
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
		// Its length is taken once, though a body can't change it.
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
		for _, key := range v.members() {
			value := v.Get(key)
			if !s.open {
				value = complete(value)
			}
			if c, done := s.one(m, f, key, value); done {
				return c
			}
		}
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

// needed reports whether anything reads v, by whichever name.
func (l *lowering) needed(v ir.Local) bool {
	n := l.uses[v]
	for alias, source := range l.aliases {
		if source == v {
			n += l.uses[alias]
			// The statement that makes the alias is gone, and so is what it reads.
			n--
		}
	}
	return n > 0
}

// everyCondition recognises the loop of an `every`: a block that sets a
// condition, and a second condition that is set when the first was not.
func (l *lowering) everyCondition(b *ir.Block) (ir.Local, bool) {
	n := len(b.Stmts)
	if n < 4 {
		return 0, false
	}
	reset, ok1 := b.Stmts[n-4].(*ir.ResetLocalStmt)
	inner, ok2 := b.Stmts[n-3].(*ir.BlockStmt)
	missing, ok3 := b.Stmts[n-2].(*ir.IsUndefinedStmt)
	assign, ok4 := b.Stmts[n-1].(*ir.AssignVarStmt)
	if !ok1 || !ok2 || !ok3 || !ok4 || len(inner.Blocks) != 1 || missing.Source != reset.Target {
		return 0, false
	}
	if v, ok := assign.Source.Value.(ir.Bool); !ok || !bool(v) {
		return 0, false
	}
	// The loop is two levels, and the inner block one more.
	l.conditions[reset.Target] = l.depth + scanLevels + 1
	return reset.Target, true
}
