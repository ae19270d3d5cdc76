package evaluator

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// combined lowers statements that belong together, such as a comparison and
// the test of its result. used is how many it took.
func (l *lowering) combined(stmts []ir.Stmt) (s statement, used int) {
	if s := l.groupStatement(stmts[0]); s != nil {
		return s, 1
	}
	switch first := stmts[0].(type) {
	case *ir.DotStmt:
		return l.path(stmts)
	case *ir.MakeObjectStmt:
		if s, used := l.groupedComprehension(first.Target, stmts); used > 0 {
			return s, used
		}
		return l.bindings(first, stmts)
	case *ir.MakeSetStmt:
		if s, used := l.groupedComprehension(first.Target, stmts); used > 0 {
			return s, used
		}
		return l.setLiteral(first, stmts)
	case *ir.MakeArrayStmt:
		if s, used := l.groupedComprehension(first.Target, stmts); used > 0 {
			return s, used
		}
		return l.arrayLiteral(first, stmts)
	case *ir.CallStmt:
		if first.Func == ast.WalkBuiltin.Name {
			return l.walkLoop(first, stmts)
		}
		if s, used := l.stream(first, stmts); used > 0 {
			return s, used
		}
		if s, used := l.lookup(first, stmts); used > 0 {
			return s, used
		}
		if first.Func == ast.ObjectKeys.Name {
			if s, used := l.hasKey(first, stmts); used > 0 {
				return s, used
			}
		}
		if len(stmts) > 1 && isTest(stmts[1], first.Result) && l.uses[first.Result] == 1 {
			if s := l.condition(first); s != nil {
				return s, 2
			}
		}
	}
	return nil, 0
}

// isTest reports whether s demands that v is not false.
func isTest(s ir.Stmt, v ir.Local) bool {
	test, ok := s.(*ir.NotEqualStmt)
	if !ok || test.A.Value != v {
		return false
	}
	b, ok := test.B.Value.(ir.Bool)
	return ok && !bool(b)
}

// condition lowers a call whose result, true or false, is only tested.
func (l *lowering) condition(call *ir.CallStmt) statement {
	args := l.operands(call.Args)
	if is := kinds(call.Func); is != nil && len(args) == 1 {
		return l.isType(call.Args[0], is)
	}
	holds := predicates(call.Func)
	if holds == nil || len(args) != 2 {
		return nil
	}
	a, b := args[0], args[1]
	switch call.Func {
	case ast.Equal.Name:
		return l.equal(a, b)
	case ast.NotEqual.Name:
		return l.notEqual(a, b)
	}
	return func(m *machine, f frame) code {
		x, y := a.in(f), b.in(f)
		if x == nil || y == nil {
			return m.fail(errUnplanned)
		}
		v, ok := holds(x, y)
		if !ok {
			return m.fail(errUnplanned)
		}
		if v {
			return next
		}
		return undefined
	}
}

// hasKey lowers `"key" in object.keys(x)`, which asks for one key of an object.
func (l *lowering) hasKey(keys *ir.CallStmt, stmts []ir.Stmt) (s statement, used int) {
	set, at := keys.Result, 1
	if len(stmts) > at {
		if assign, ok := stmts[at].(*ir.AssignVarStmt); ok && assign.Source.Value == set && l.uses[set] == 1 {
			set, at = assign.Target, at+1
		}
	}
	if len(stmts) < at+2 || l.uses[set] != 1 {
		return nil, 0
	}
	in, ok := stmts[at].(*ir.CallStmt)
	if !ok || in.Func != ast.Member.Name || len(in.Args) != 2 || in.Args[1].Value != set || in.Args[0].Value == set {
		return nil, 0
	}
	if !isTest(stmts[at+1], in.Result) || l.uses[in.Result] != 1 {
		return nil, 0
	}
	object, key := l.operand(keys.Args[0]), l.operand(in.Args[0])
	return func(m *machine, f frame) code {
		o, k := objectIn(object.in(f)), key.in(f)
		if o == nil || k == nil {
			return m.fail(errUnplanned)
		}
		if o.Get(k) == nil {
			return undefined
		}
		return next
	}, at + 2
}

// arrayLiteral lowers an array whose elements are appended at once, and the
// sprintf that it is made for.
func (l *lowering) arrayLiteral(array *ir.MakeArrayStmt, stmts []ir.Stmt) (s statement, used int) {
	n := l.writes[array.Target] - 1
	if n < 1 || l.constants[array.Target] != nil {
		return nil, 0
	}
	var elements []operand
	for used = 1; len(elements) < n; used++ {
		if used == len(stmts) {
			return nil, 0
		}
		if l.makesConstant(stmts[used]) {
			continue // its operand is the constant
		}
		add, ok := stmts[used].(*ir.ArrayAppendStmt)
		if !ok || add.Array != array.Target || add.Value.Value == array.Target {
			return nil, 0
		}
		elements = append(elements, l.operand(add.Value))
	}
	after := stmts[used:]
	if len(after) > 0 {
		if call, ok := after[0].(*ir.CallStmt); ok && call.Func == ast.Sprintf.Name && l.uses[array.Target] == n+1 {
			if s := l.sprintf(call, array.Target, elements); s != nil {
				return s, used + 1
			}
		}
	}
	if s, more := l.sendLiteral(array.Target, elements, after); more > 0 {
		return s, used + more
	}
	target := int(array.Target)
	return func(m *machine, f frame) code {
		made := makeArray(f, elements)
		if made == nil {
			return m.fail(errUnplanned)
		}
		f[target] = made
		return next
	}, used
}

// longLiteral is the number of elements from which a set is made at once, in its final
// size.
const longLiteral = 16

// setLiteral lowers a large set whose elements are added at once.
func (l *lowering) setLiteral(set *ir.MakeSetStmt, stmts []ir.Stmt) (s statement, used int) {
	n := l.writes[set.Target] - 1
	if n < longLiteral || l.constants[set.Target] != nil || int(set.Target) == l.function.result {
		return nil, 0
	}
	var elements []operand
	for used = 1; len(elements) < n; used++ {
		if used == len(stmts) {
			return nil, 0
		}
		if l.makesConstant(stmts[used]) {
			continue
		}
		add, ok := stmts[used].(*ir.SetAddStmt)
		if !ok || add.Set != set.Target || add.Value.Value == set.Target {
			return nil, 0
		}
		elements = append(elements, l.operand(add.Value))
	}
	target := int(set.Target)
	return func(m *machine, f frame) code {
		terms := make([]*ast.Term, n)
		for i, e := range elements {
			if terms[i] = e.in(f); terms[i] == nil {
				return m.fail(errUnplanned)
			}
		}
		f[target] = ast.NewTerm(ast.NewSet(terms...))
		return next
	}, used
}

// makesConstant reports whether s does no more than make, or fill, a constant.
func (l *lowering) makesConstant(s ir.Stmt) bool {
	switch s := s.(type) {
	case *ir.MakeNullStmt, *ir.MakeNumberIntStmt, *ir.MakeNumberRefStmt, *ir.MakeArrayStmt, *ir.MakeObjectStmt, *ir.MakeSetStmt:
		constant := false
		writes(s, func(v ir.Local) { constant = l.constants[v] != nil })
		return constant
	case *ir.ArrayAppendStmt:
		return l.constants[s.Array] != nil
	case *ir.SetAddStmt:
		return l.constants[s.Set] != nil
	case *ir.ObjectInsertStmt:
		return l.constants[s.Object] != nil
	}
	return false
}

func makeArray(f frame, elements []operand) *ast.Term {
	terms := make([]*ast.Term, len(elements))
	for i, e := range elements {
		if terms[i] = e.in(f); terms[i] == nil {
			return nil
		}
	}
	return ast.NewTerm(ast.NewArray(terms...))
}

// sprintf lowers a call whose format is known, without making the array of its
// arguments.
func (l *lowering) sprintf(call *ir.CallStmt, array ir.Local, elements []operand) statement {
	if len(call.Args) != 2 || call.Args[1].Value != array {
		return nil
	}
	template := l.operand(call.Args[0])
	if template.value == nil {
		return nil
	}
	text, ok := template.value.Value.(ast.String)
	if !ok {
		return nil
	}
	parsed := parseFormat(string(text))
	if parsed == nil || len(parsed.verbs) != len(elements) {
		return nil
	}
	general, ok := l.builtin(call, l.operands(call.Args))
	if !ok {
		return nil
	}
	slot, result := int(array), int(call.Result)
	return func(m *machine, f frame) code {
		b := &m.builtins
		b.operands = b.operands[:0]
		for _, e := range elements {
			v := e.in(f)
			if v == nil {
				return m.fail(errUnplanned)
			}
			b.operands = append(b.operands, v)
		}
		out, ok := parsed.appendTo(b.text[:0], b.operands)
		b.text = out
		if !ok {
			f[slot] = ast.NewTerm(ast.NewArray(slices.Clone(b.operands)...))
			return general(m, f)
		}
		f[result] = b.texts.term(out)
		return next
	}
}

// same reports the code that blocks always end with, whatever the variables
// hold. The plan has such blocks where a reference has no data to look at.
func same(blocks []*ir.Block) (code, bool) {
	for _, b := range blocks {
		c, known := next, true
		for _, s := range b.Stmts {
			switch s := s.(type) {
			case *ir.NopStmt:
			case *ir.BreakStmt:
				c = code(s.Index) + 1
			case *ir.BlockStmt:
				c, known = same(s.Blocks)
			default:
				known = false
			}
			if !known {
				return next, false
			}
			if c != next {
				break
			}
		}
		if c > undefined {
			return c - 1, true
		}
	}
	return next, true
}
