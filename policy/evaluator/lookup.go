package evaluator

import (
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// A rule that fills a set or an object is often asked for one key. OPA's
// interpreter then evaluates what gives this key, and so do we the first time:
// the wanted key lies in the frame, and elements under others are passed over.

// keyed reports whether each definition of fn ends by adding one element to its
// result, so that those under other keys can be left out.
func keyed(fn *ir.Func, d layout) bool {
	if len(d.definitions) == 0 || len(fn.Params) != 2 {
		return false
	}
	for _, blocks := range d.definitions {
		added := 0
		for _, key := range elementKeys(blocks, fn.Return) {
			if key.Value == nil {
				return false
			}
			added++
		}
		if added != 1 {
			return false
		}
	}
	return true
}

// elementKeys are the keys under which blocks add to result. One without value
// stands for anything else that changes it.
func elementKeys(blocks []*ir.Block, result ir.Local) []ir.Operand {
	var out []ir.Operand
	walk(blocks, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.SetAddStmt:
			if s.Set == result {
				out = append(out, s.Value)
				return
			}
		case *ir.ObjectInsertOnceStmt:
			if s.Object == result {
				out = append(out, s.Key)
				return
			}
		}
		writes(s, func(v ir.Local) {
			if v == result {
				out = append(out, ir.Operand{})
			}
		})
		reads(s, func(v ir.Local) {
			if v == result {
				out = append(out, ir.Operand{})
			}
		})
	})
	return out
}

// passOver is a statement that leaves the block when key is not the wanted one.
func (l *lowering) passOver(key operand) statement {
	wanted := l.function.wanted
	return func(m *machine, f frame) code {
		if w := f[wanted]; w != nil {
			if k := key.in(f); k != nil && !k.Equal(w) {
				if alike(k, w) {
					return m.fail(errUnplanned)
				}
				return undefined
			}
		}
		return next
	}
}

// alike reports whether a and b differ only in that one is a number and the other the
// string of its digits. Where the interpreter knows the key before it reads data, it
// finds the one for the other; see foundByName.
func alike(a, b *ast.Term) bool {
	switch x := a.Value.(type) {
	case ast.Number:
		switch y := b.Value.(type) {
		case ast.String:
			return string(x) == string(y)
		case ast.Number:
			return x == y || x.Equal(y)
		}
		return false
	case ast.String:
		switch y := b.Value.(type) {
		case ast.String:
			return x == y
		case ast.Number:
			return string(x) == string(y)
		}
		return false
	case *ast.Array:
		y, ok := b.Value.(*ast.Array)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i := range x.Len() {
			if !alike(x.Elem(i), y.Elem(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// partialDocuments finds the variables that hold what rules give which fill a set or an
// object, or by a reference a part of it.
func (l *lowering) partialDocuments(b *ir.Block) map[ir.Local]bool {
	out := map[ir.Local]bool{}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.CallStmt:
			out[s.Result] = out[s.Result] || isPartial(l.planned[s.Func])
		case *ir.CallDynamicStmt:
			out[s.Result] = true
		case *ir.DotStmt:
			if v, ok := s.Source.Value.(ir.Local); ok && out[v] {
				out[s.Target] = true
			}
		case *ir.AssignVarStmt:
			if v, ok := s.Source.Value.(ir.Local); ok && out[v] {
				out[s.Target] = true
			}
		}
	})
	return out
}

// isPartial reports whether fn is planned from rules that fill a set or an object, which
// it makes first.
func isPartial(fn *ir.Func) bool {
	if fn == nil || len(fn.Blocks) == 0 || len(fn.Blocks[0].Stmts) == 0 {
		return false
	}
	switch s := fn.Blocks[0].Stmts[0].(type) {
	case *ir.MakeObjectStmt:
		return s.Target == fn.Return
	case *ir.MakeSetStmt:
		return s.Target == fn.Return
	}
	return false
}

// hasDigits reports whether a constant key may be alike to another one.
func hasDigits(key *ast.Term) bool {
	if s, ok := key.Value.(ast.String); ok {
		_, err := strconv.ParseFloat(string(s), 64)
		return err == nil
	}
	return true
}

// dotPartial looks into what a rule gives. The interpreter knows the key before it
// evaluates the rule.
func dotPartial(source, key operand, target int) statement {
	return func(m *machine, f frame) code {
		v, k := source.in(f), key.in(f)
		if v == nil || k == nil {
			return undefined
		}
		found := part(v, k)
		if found == nil && hasAlike(v, k) {
			return m.fail(errUnplanned)
		}
		f[target] = found
		if found == nil {
			return undefined
		}
		return next
	}
}

// hasAlike reports whether composite holds something under a key that is alike.
func hasAlike(composite, key *ast.Term) bool {
	if composite == nil {
		return false
	}
	switch k := key.Value.(type) {
	case ast.Number:
		return part(composite, ast.StringTerm(string(k))) != nil
	case ast.String:
		_, err := strconv.ParseFloat(string(k), 64)
		return err == nil && part(composite, ast.NewTerm(ast.Number(string(k)))) != nil
	case *ast.Array:
		switch v := composite.Value.(type) {
		case ast.Set:
			return slices.ContainsFunc(v.Slice(), func(elem *ast.Term) bool { return alike(elem, key) })
		case ast.Object:
			return slices.ContainsFunc(v.Keys(), func(elem *ast.Term) bool { return alike(elem, key) })
		}
	}
	return false
}

// filter remembers which variable is the key of the definition's element, so
// that others are passed over as soon as it is known.
func (l *lowering) filter(b *ir.Block) (atOnce statement) {
	l.key = -1
	if l.function.wanted == 0 {
		return nil
	}
	keys := elementKeys([]*ir.Block{b}, ir.Local(l.function.result))
	if len(keys) != 1 || keys[0].Value == nil {
		return nil
	}
	key := l.operand(keys[0])
	if key.value != nil {
		return l.passOver(key)
	}
	if l.writes[ir.Local(key.slot)] == 1 {
		l.key = ir.Local(key.slot)
	}
	return nil
}

// afterKey is what follows a statement that sets the key, nil after others.
func (l *lowering) afterKey(s ir.Stmt) statement {
	if l.key < 0 {
		return nil
	}
	switch s.(type) {
	case *ir.AssignVarStmt, *ir.DotStmt, *ir.CallStmt:
	default:
		return nil
	}
	set := false
	writes(s, func(v ir.Local) { set = set || v == l.key })
	if !set {
		return nil
	}
	return l.passOver(l.local(l.key))
}

// lookup lowers a call of a rule and the reference to one key of its result.
func (l *lowering) lookup(call *ir.CallStmt, stmts []ir.Stmt) (s statement, used int) {
	fn, ok := l.functions[call.Func]
	if !ok || fn.wanted == 0 || len(stmts) < 2 || l.uses[call.Result] != 1 {
		return nil, 0
	}
	dot, ok := stmts[1].(*ir.DotStmt)
	if !ok || dot.Source.Value != call.Result || dot.Key.Value == call.Result {
		return nil, 0
	}
	args, key, target := l.operands(call.Args), l.operand(dot.Key), int(dot.Target)
	return func(m *machine, f frame) code {
		k := key.in(f)
		if k == nil {
			return undefined
		}
		v, c := fn.get(m, f, args, k)
		if c != next {
			return c
		}
		f[target] = v
		if v == nil {
			return undefined
		}
		return next
	}, 2
}

// get is the element of fn's result under key. All of the result is worked out
// when another key was asked for before.
func (fn *function) get(m *machine, caller frame, args []operand, key *ast.Term) (*ast.Term, code) {
	known := &m.memo.rules[fn.rule]
	if !known.known && (known.key == nil || known.key.Equal(key)) {
		if known.key == nil {
			v, c := fn.runFor(m, caller, args, key)
			if c != next {
				return nil, c
			}
			known.key, known.value = key, v
		}
		return elementOf(known.value, key), next
	}
	v, c := fn.call(m, caller, args)
	if c != next {
		return nil, c
	}
	element := elementOf(v, key)
	if element == nil && hasAlike(v, key) {
		return nil, m.fail(errUnplanned)
	}
	return element, next
}

func elementOf(composite, key *ast.Term) *ast.Term {
	if composite == nil {
		return nil
	}
	return part(composite, key)
}

// runFor runs fn for the element under key.
func (fn *function) runFor(m *machine, caller frame, args []operand, key *ast.Term) (*ast.Term, code) {
	if c := m.step(); c != next {
		return nil, c
	}
	f, chunk, top := m.push(fn.size)
	for i, p := range fn.params {
		f[p] = args[i].in(caller)
	}
	f[fn.wanted] = key
	c := fn.run(m, f)
	result := f[fn.result]
	m.pop(f, chunk, top)
	return result, c
}
