package evaluator

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// errConflict stands for a rule or object key with more than one value.
var errConflict = errors.New("conflicting values")

// make sets target to an empty composite, or to the constant it will be.
func (l *lowering) make(target ir.Local, empty func() ast.Value) statement {
	if v := l.constants[target]; v != nil {
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
func (l *lowering) arrayAppend(s *ir.ArrayAppendStmt) statement {
	if l.constants[s.Array] != nil {
		return nil
	}
	value, slot := l.operand(s.Value), int(s.Array)
	return func(m *machine, f frame) code {
		v := value.in(f)
		into := f[slot]
		if v == nil || into == nil {
			return m.fail(errUnplanned)
		}
		array, ok := into.Value.(*ast.Array)
		if !ok {
			return m.fail(errUnplanned)
		}
		into.Value = array.Append(v)
		return next
	}
}

func (l *lowering) setAdd(s *ir.SetAddStmt) statement {
	if l.constants[s.Set] != nil {
		return nil
	}
	value, slot := l.operand(s.Value), int(s.Set)
	if l.sending && slot == l.function.result {
		return send(value)
	}
	if l.function.collects && slot == l.function.result {
		return collect(value, slot)
	}
	return func(m *machine, f frame) code {
		v := value.in(f)
		into := f[slot]
		if v == nil || into == nil {
			return m.fail(errUnplanned)
		}
		set, ok := into.Value.(ast.Set)
		if !ok {
			return m.fail(errUnplanned)
		}
		set.Add(v)
		return next
	}
}

func (l *lowering) objectInsert(s *ir.ObjectInsertStmt) statement {
	if l.constants[s.Object] != nil {
		return nil
	}
	key, value, slot := l.operand(s.Key), l.operand(s.Value), int(s.Object)
	return func(m *machine, f frame) code {
		k, v := key.in(f), value.in(f)
		object := objectIn(f[slot])
		if k == nil || v == nil || object == nil {
			return m.fail(errUnplanned)
		}
		if object.Get(k) == v {
			// A part of a rule's object grew. To insert it again would take
			// the hash of the object anew each time; rebuilt does it once.
			m.grown = append(m.grown, f[slot])
			return next
		}
		object.Insert(k, v)
		return next
	}
}

// rebuilt is t with the objects that grew made anew, and their hashes with them.
func rebuilt(t *ast.Term, grown map[*ast.Term]bool) *ast.Term {
	if !grown[t] {
		return t
	}
	object := objectIn(t)
	out := ast.NewObjectWithCapacity(object.Len())
	object.Foreach(func(k, v *ast.Term) { out.Insert(k, rebuilt(v, grown)) })
	return ast.NewTerm(out)
}

// rebuild makes result anew when parts of it grew. grown is what did so since
// the function began.
func rebuild(result *ast.Term, grown []*ast.Term) *ast.Term {
	set := make(map[*ast.Term]bool, 8)
	for _, t := range grown {
		set[t] = true
	}
	return rebuilt(result, set)
}

func (l *lowering) objectInsertOnce(s *ir.ObjectInsertOnceStmt) statement {
	key, value, slot := l.operand(s.Key), l.operand(s.Value), int(s.Object)
	return func(m *machine, f frame) code {
		k, v := key.in(f), value.in(f)
		object := objectIn(f[slot])
		if k == nil || v == nil || object == nil {
			return m.fail(errUnplanned)
		}
		if before := object.Get(k); before == nil {
			object.Insert(k, v)
		} else if !before.Equal(v) {
			return m.fail(errConflict)
		}
		return next
	}
}

func objectIn(t *ast.Term) ast.Object {
	if t == nil {
		return nil
	}
	object, _ := t.Value.(ast.Object)
	return object
}

func (l *lowering) objectMerge(s *ir.ObjectMergeStmt) statement {
	a, b, target := l.local(s.A), l.local(s.B), int(s.Target)
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
