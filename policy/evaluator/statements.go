package evaluator

import (
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// statement lowers one statement; nil means that there is nothing to do.
func (l *lowering) statement(s ir.Stmt) statement {
	switch s := s.(type) {
	case *ir.NopStmt:
		return nil
	case *ir.BlockStmt:
		return l.nested(s)
	case *ir.BreakStmt:
		leave := code(s.Index) + 1
		return func(*machine, frame) code { return leave }
	case *ir.ScanStmt:
		return l.scan(s)
	case *ir.NotStmt:
		return l.not(s)
	case *ir.WithStmt:
		return l.with(s)
	case *ir.CallStmt:
		return l.call(s)
	case *ir.CallDynamicStmt:
		return l.callDynamic(s)
	case *ir.DotStmt:
		return l.dot(s)
	case *ir.LenStmt:
		return l.length(s)
	case *ir.EqualStmt:
		return l.equal(l.operand(s.A), l.operand(s.B))
	case *ir.NotEqualStmt:
		return l.notEqual(l.operand(s.A), l.operand(s.B))
	case *ir.IsArrayStmt:
		return l.isType(s.Source, func(v ast.Value) bool { _, ok := v.(*ast.Array); return ok })
	case *ir.IsObjectStmt:
		return l.isType(s.Source, func(v ast.Value) bool { _, ok := v.(ast.Object); return ok })
	case *ir.IsSetStmt:
		return l.isType(s.Source, func(v ast.Value) bool { _, ok := v.(ast.Set); return ok })
	case *ir.IsDefinedStmt:
		source := int(s.Source)
		return func(_ *machine, f frame) code {
			if f[source] == nil {
				return undefined
			}
			return next
		}
	case *ir.IsUndefinedStmt:
		source := int(s.Source)
		return func(_ *machine, f frame) code {
			if f[source] != nil {
				return undefined
			}
			return next
		}
	case *ir.ReturnLocalStmt:
		if int(s.Source) != l.function.result {
			return l.refuse("another value is returned than the function's")
		}
		return nil // it is the last statement, and run reads the variable
	case *ir.ResultSetAddStmt:
		return l.refuse("results are added in another way")
	}
	return l.assignment(s)
}

// assignment lowers the statements that set a variable or change its value.
func (l *lowering) assignment(s ir.Stmt) statement {
	switch s := s.(type) {
	case *ir.AssignVarStmt:
		return l.assign(s)
	case *ir.AssignVarOnceStmt:
		return l.assignOnce(s)
	case *ir.AssignIntStmt:
		return set(s.Target, ast.InternedTerm(s.Value))
	case *ir.ResetLocalStmt:
		return set(s.Target, nil)
	case *ir.MakeNullStmt:
		return set(s.Target, ast.NullTerm())
	case *ir.MakeNumberIntStmt:
		return set(s.Target, ast.InternedTerm(s.Value))
	case *ir.MakeNumberRefStmt:
		return set(s.Target, ast.NewTerm(ast.Number(string(l.string(s.Index).Value.(ast.String)))))
	case *ir.MakeArrayStmt:
		return l.make(s.Target, func() ast.Value { return ast.NewArray() })
	case *ir.MakeObjectStmt:
		return l.make(s.Target, func() ast.Value { return ast.NewObject() })
	case *ir.MakeSetStmt:
		return l.make(s.Target, func() ast.Value { return ast.NewSet() })
	case *ir.ArrayAppendStmt:
		return l.arrayAppend(s)
	case *ir.SetAddStmt:
		return l.setAdd(s)
	case *ir.ObjectInsertStmt:
		return l.objectInsert(s)
	case *ir.ObjectInsertOnceStmt:
		return l.objectInsertOnce(s)
	case *ir.ObjectMergeStmt:
		return l.objectMerge(s)
	}
	return l.refuse("statement %T is not known", s)
}

func set(target ir.Local, value *ast.Term) statement {
	slot := int(target)
	return func(_ *machine, f frame) code {
		f[slot] = value
		return next
	}
}

func (l *lowering) nested(s *ir.BlockStmt) statement {
	if c, known := same(s.Blocks); known {
		if c == next {
			return nil
		}
		return func(*machine, frame) code { return c }
	}
	var blocks []block
	l.apart(func() { blocks = l.blocks(s.Blocks) })
	if len(blocks) == 1 {
		b := blocks[0]
		return func(m *machine, f frame) code {
			c := b.run(m, f)
			switch {
			case c <= undefined:
				return next
			case c >= found:
				return c
			}
			return c - 1
		}
	}
	return func(m *machine, f frame) code { return runBlocks(blocks, m, f) }
}

func (l *lowering) not(s *ir.NotStmt) statement {
	var body block
	l.apart(func() { body = l.block(s.Block) })
	// The plan of a negated body expects its condition to be unset before it.
	bodied := false
	if n := len(s.Block.Stmts); n > 0 {
		var condition *ir.IsDefinedStmt
		if condition, bodied = s.Block.Stmts[n-1].(*ir.IsDefinedStmt); bodied {
			body = append(block{set(condition.Source, nil)}, body...)
		}
	}
	if !bodied && !decided(s.Block) {
		return l.refuse("a negation that goes on in a nested block")
	}
	return func(m *machine, f frame) code {
		c := body.run(m, f)
		switch {
		case c == next:
			return undefined
		case c == undefined:
			return next
		case c >= found:
			return c
		}
		return c - 1
	}
}

func (l *lowering) dot(s *ir.DotStmt) statement {
	if _, ok := s.Source.Value.(ir.Local); !ok {
		return func(*machine, frame) code { return undefined } // a scalar has no parts
	}
	// What is not lowered as a path wants the term.
	l.program.wholeInput = l.program.wholeInput || s.Source.Value == ir.Input
	source, key, target := l.operand(s.Source), l.operand(s.Key), int(s.Target)
	if l.base[s.Source.Value.(ir.Local)] {
		return dotBase(source, key, target, l.open[s.Target], l.partial[s.Source.Value.(ir.Local)])
	}
	if l.partial[s.Source.Value.(ir.Local)] && (key.value == nil || hasDigits(key.value)) {
		return dotPartial(source, key, target)
	}
	if source.value == nil && key.value != nil {
		from, name := source.slot, key.value
		return func(_ *machine, f frame) code {
			v := f[from]
			if v == nil {
				return undefined
			}
			v = part(v, name)
			f[target] = v
			if v == nil {
				return undefined
			}
			return next
		}
	}
	return func(_ *machine, f frame) code {
		v, k := source.in(f), key.in(f)
		if v == nil || k == nil {
			return undefined
		}
		v = part(v, k)
		f[target] = v
		if v == nil {
			return undefined
		}
		return next
	}
}

// dotBase looks into a base document.
func dotBase(source, key operand, target int, open, partial bool) statement {
	return func(m *machine, f frame) code {
		v, k := source.in(f), key.in(f)
		if v == nil || k == nil {
			return undefined
		}
		if foundByName(v, k) {
			return m.fail(errUnplanned)
		}
		found := part(v, k)
		if found == nil && partial && hasAlike(v, k) {
			return m.fail(errUnplanned)
		}
		if v = found; !open {
			v = complete(v)
		}
		f[target] = v
		if v == nil {
			return undefined
		}
		return next
	}
}

// foundByName reports whether a reference to data finds more under key than the
// value of the key says: OPA's interpreter reads it as a path of strings, so
// that 2 finds "2" in an object, and "2" an element of an array.
func foundByName(composite, key *ast.Term) bool {
	switch v := composite.Value.(type) {
	case *ast.Array:
		name, ok := key.Value.(ast.String)
		if !ok {
			return false
		}
		i, err := strconv.Atoi(string(name))
		return err == nil && i >= 0 && i < v.Len()
	case *layer:
		return !v.inside && v.base != nil && foundByName(v.base, key) || memberByName(v, key)
	case ast.Object:
		return memberByName(v, key)
	}
	return false
}

func memberByName(object ast.Object, key *ast.Term) bool {
	n, ok := key.Value.(ast.Number)
	return ok && object.Get(ast.StringTerm(n.String())) != nil
}

// part is what composite holds under key, nil when there is none. A set holds
// its elements under themselves.
func part(composite, key *ast.Term) *ast.Term {
	switch v := composite.Value.(type) {
	case *ast.Array:
		return v.Get(key)
	case ast.Object:
		return v.Get(key)
	case ast.Set:
		if v.Contains(key) {
			return key
		}
	}
	return nil
}

func (l *lowering) length(s *ir.LenStmt) statement {
	source, target := l.operand(s.Source), int(s.Target)
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
			return m.fail(errUnplanned)
		}
		f[target] = ast.InternedTerm(n)
		return next
	}
}

func (l *lowering) equal(a, b operand) statement {
	if a.value != nil {
		a, b = b, a
	}
	if a.value == nil && b.value != nil {
		slot, want := a.slot, b.value
		if s, ok := want.Value.(ast.String); ok {
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
		return func(_ *machine, f frame) code {
			if v := f[slot]; v == nil || !v.Equal(want) {
				return undefined
			}
			return next
		}
	}
	return func(_ *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil || !x.Equal(y) {
			return undefined
		}
		return next
	}
}

func (l *lowering) notEqual(a, b operand) statement {
	return func(_ *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil || x.Equal(y) {
			return undefined
		}
		return next
	}
}

func (l *lowering) isType(source ir.Operand, is func(ast.Value) bool) statement {
	o := l.operand(source)
	return func(_ *machine, f frame) code {
		if v := o.in(f); v == nil || !is(v.Value) {
			return undefined
		}
		return next
	}
}

func (l *lowering) assign(s *ir.AssignVarStmt) statement {
	if _, ok := l.aliases[s.Target]; ok {
		return nil
	}
	source, target := l.operand(s.Source), int(s.Target)
	if depth, ok := l.conditions[s.Target]; ok && source.value != nil {
		// Once holds for all that is asked, the way OPA's interpreter does it.
		leave := code(l.depth-depth) + 1
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

func (l *lowering) assignOnce(s *ir.AssignVarOnceStmt) statement {
	source, target := l.operand(s.Source), int(s.Target)
	if l.earlyExit && s.Target == l.value {
		result := l.function.result
		return func(m *machine, f frame) code {
			v := source.in(f)
			if v == nil {
				return m.fail(errUnplanned)
			}
			f[result] = v
			return found
		}
	}
	return func(m *machine, f frame) code {
		v := source.in(f)
		if v == nil {
			return m.fail(errUnplanned)
		}
		if before := f[target]; before == nil {
			f[target] = v
		} else if !before.Equal(v) {
			return m.fail(errConflict)
		}
		return next
	}
}

// bindings lowers how the query hands over the entry rule's value: an object
// of its variables, of which there is one, is added to the results.
func (l *lowering) bindings(object *ir.MakeObjectStmt, stmts []ir.Stmt) (s statement, used int) {
	const length = 3
	if len(stmts) < length {
		return nil, 0
	}
	insert, ok1 := stmts[1].(*ir.ObjectInsertStmt)
	add, ok2 := stmts[2].(*ir.ResultSetAddStmt)
	if !ok1 || !ok2 || insert.Object != object.Target || add.Value != object.Target {
		return nil, 0
	}
	name, ok := insert.Key.Value.(ir.StringIndex)
	if !ok || l.string(int(name)).Value.Compare(ast.String(resultVar)) != 0 {
		return nil, 0
	}
	value := l.operand(insert.Value)
	return func(m *machine, f frame) code {
		v := value.in(f)
		if v == nil || m.result != nil && !m.result.Equal(v) {
			return m.fail(errUnplanned)
		}
		m.result = v
		return next
	}, length
}
