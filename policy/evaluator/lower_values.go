package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

func (sc *scope) length(s *ir.LenStmt) statement {
	source, target := sc.operand(s.Source), int(s.Target)
	return func(m *machine, f frame) code {
		v := source.in(f)
		if v == nil {
			return undefined
		}
		var n int
		switch v := v.Value.(type) {
		case *ast.Array:
			n = v.Len()
		case ast.Object:
			n = v.Len()
		case ast.Set:
			n = v.Len()
		default:
			return m.fail(errOperandType)
		}
		f[target] = ast.InternedTerm(n)
		return next
	}
}

func (sc *scope) equal(a, b operand) statement {
	if a.value != nil {
		a, b = b, a
	}
	if a.value == nil && b.value != nil {
		return equalConstant(a.slot, b.value)
	}
	return func(_ *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil || !x.Equal(y) {
			return undefined
		}
		return next
	}
}

// equalConstant compares a variable with a constant.
func equalConstant(slot int, want *ast.Term) statement {
	s, ok := want.Value.(ast.String)
	if !ok {
		return func(_ *machine, f frame) code {
			if v := f[slot]; v == nil || !v.Equal(want) {
				return undefined
			}
			return next
		}
	}
	return func(_ *machine, f frame) code {
		v := f[slot]
		if v == nil {
			return undefined
		}
		if got, ok := v.Value.(ast.String); ok && got == s {
			return next
		}
		return undefined
	}
}

func (sc *scope) notEqual(a, b operand) statement {
	return func(_ *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil || x.Equal(y) {
			return undefined
		}
		return next
	}
}

func (sc *scope) isType(source ir.Operand, is func(ast.Value) bool) statement {
	o := sc.operand(source)
	return func(_ *machine, f frame) code {
		if v := o.in(f); v == nil || !is(v.Value) {
			return undefined
		}
		return next
	}
}

// everyOf is the loop around this place whose condition is v, nil for none.
func (sc *scope) everyOf(v ir.Local) *everyLoop {
	for loop := sc.every; loop != nil; loop = loop.outer {
		if loop.condition == v {
			return loop
		}
	}
	return nil
}

func (sc *scope) assign(s *ir.AssignVarStmt) statement {
	source, target := sc.operand(s.Source), int(s.Target)
	if loop := sc.everyOf(s.Target); loop != nil && source.value != nil {
		// One solution decides, as in OPA's interpreter.
		leave := code(sc.depth-loop.depth) + 1
		value := source.value
		return func(_ *machine, f frame) code {
			f[target] = value
			return leave
		}
	}
	if source.value != nil {
		return set(s.Target, source.value)
	}
	from := source.slot
	return func(_ *machine, f frame) code {
		f[target] = f[from]
		return next
	}
}

func (sc *scope) assignOnce(s *ir.AssignVarOnceStmt) statement {
	source, target := sc.operand(s.Source), int(s.Target)
	if sc.earlyExit && s.Target == sc.value {
		result := sc.function.result
		return func(m *machine, f frame) code {
			v := source.in(f)
			if v == nil {
				return m.fail(errUndefinedOperand)
			}
			f[result] = v
			return found
		}
	}
	return func(m *machine, f frame) code {
		v := source.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		if before := f[target]; before == nil {
			f[target] = v
		} else if !before.Equal(v) {
			return m.fail(errConflict)
		}
		return next
	}
}

func set(target ir.Local, value *ast.Term) statement {
	slot := int(target)
	return func(_ *machine, f frame) code {
		f[slot] = value
		return next
	}
}
