package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// make sets target to an empty composite, or to the constant it will be.
func (sc *scope) make(target ir.Local, empty func() ast.Value) statement {
	if v := sc.constants[target]; v != nil {
		return set(target, v)
	}
	slot := int(target)
	return func(_ *machine, f frame) code {
		f[slot] = ast.NewTerm(empty())
		return next
	}
}

// arrayAppend changes the term in place: nothing reads an array before it is
// complete.
func (sc *scope) arrayAppend(s *ir.ArrayAppendStmt) statement {
	if sc.constants[s.Array] != nil {
		return nil
	}
	value, slot := sc.operand(s.Value), int(s.Array)
	return func(m *machine, f frame) code {
		v := value.in(f)
		into := f[slot]
		if v == nil || into == nil {
			return m.fail(errUndefinedOperand)
		}
		array, ok := into.Value.(*ast.Array)
		if !ok {
			return m.fail(errOperandType)
		}
		into.Value = array.Append(v)
		return next
	}
}

func (sc *scope) setAdd(s *ir.SetAddStmt) statement {
	if sc.constants[s.Set] != nil {
		return nil
	}
	value, slot := sc.operand(s.Value), int(s.Set)
	return func(m *machine, f frame) code {
		v := value.in(f)
		into := f[slot]
		if v == nil || into == nil {
			return m.fail(errUndefinedOperand)
		}
		set, ok := into.Value.(ast.Set)
		if !ok {
			return m.fail(errOperandType)
		}
		set.Add(v)
		return next
	}
}

func (sc *scope) objectInsert(s *ir.ObjectInsertStmt) statement {
	if sc.constants[s.Object] != nil {
		return nil
	}
	key, value, slot := sc.operand(s.Key), sc.operand(s.Value), int(s.Object)
	return func(m *machine, f frame) code {
		k, v := key.in(f), value.in(f)
		object := objectIn(f[slot])
		if k == nil || v == nil || object == nil {
			return m.fail(errUndefinedOperand)
		}
		if object.Get(k) == v {
			// A part of a rule's object grew. To insert it again would compute the
			// hash of the object each time; rebuilt does it once.
			m.grown = append(m.grown, f[slot])
			return next
		}
		object.Insert(k, v)
		return next
	}
}

func (sc *scope) objectInsertOnce(s *ir.ObjectInsertOnceStmt) statement {
	key, value, slot := sc.operand(s.Key), sc.operand(s.Value), int(s.Object)
	return func(m *machine, f frame) code {
		k, v := key.in(f), value.in(f)
		object := objectIn(f[slot])
		if k == nil || v == nil || object == nil {
			return m.fail(errUndefinedOperand)
		}
		if before := object.Get(k); before == nil {
			object.Insert(k, v)
		} else if !before.Equal(v) {
			return m.fail(errConflict)
		}
		return next
	}
}

func (sc *scope) objectMerge(s *ir.ObjectMergeStmt) statement {
	a, b, target := sc.local(s.A), sc.local(s.B), int(s.Target)
	return func(m *machine, f frame) code {
		x, y := objectIn(a.in(f)), objectIn(b.in(f))
		if x == nil || y == nil {
			return m.fail(errConflict)
		}
		merged, ok := x.Merge(y)
		if !ok {
			return m.fail(errConflict)
		}
		f[target] = ast.NewTerm(merged)
		return next
	}
}
