package evaluator

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
	"github.com/verdict-dev/verdict/policy/evaluator/rewrite"
)

// A comprehension such as [m.id | some m in input.items; m.team == team], where team is
// an outer variable, is evaluated once for all teams: OPA's compiler finds these, and its
// interpreter runs the body without a value for the outer variables, puts what it gives
// into groups by their values, and from then on looks a group up. The plan has none of
// this, so this pass does the same to its blocks: the statement that compares with an
// outer variable sets it instead.
//
// It has to be done for exactly the comprehensions that OPA chose. The body is run for
// all groups, and what fails for one of them is an error for all.

// groupedBy finds the comprehensions that OPA's interpreter groups, by their places, among
// the rules that the document at ref depends on.
func groupedBy(compiler *ast.Compiler, ref ast.Ref) (map[plan.Place]bool, error) {
	out, seen := map[plan.Place]bool{}, map[plan.Place]*ast.Term{}
	var err error
	rewrite.WalkTerms(compiler, ref, func(t *ast.Term) bool {
		if !ast.IsComprehension(t.Value) {
			return false
		}
		at, grouped := plan.PlaceOf(t.Location), compiler.ComprehensionIndex(t) != nil
		if other := seen[at]; other != nil && other != t && (out[at] || grouped) {
			err = fmt.Errorf("%v: comprehensions of which OPA's interpreter groups one", t.Location)
		}
		seen[at] = t
		out[at] = out[at] || grouped
		return false
	})
	return out, err
}

// lowerGrouped is the form for a comprehension that OPA's interpreter groups, and for the
// statements of it that do something else than they say.
func lowerGrouped(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	if sc.group != nil {
		if s := sc.groupStatement(stmts[0]); s != nil {
			return s, 1
		}
	}
	if len(stmts) < 2 || !sc.grouped[sc.place(stmts[0])] {
		return nil, 0
	}
	b, ok := stmts[1].(*ir.BlockStmt)
	if !ok || !plan.IsComprehension(stmts[0], b) {
		return nil, 0
	}
	if s := sc.groupedComprehension(stmts[0], b.Blocks[0]); s != nil {
		return s, 2
	}
	return nil, 0
}

// groupedComprehension lowers the comprehension that the statement made begins, and body
// fills. Where it gives nil, the plan as a whole is refused: see lower.
func (sc *scope) groupedComprehension(made ir.Stmt, body *ir.Block) statement {
	at := sc.place(made)
	if sc.function.replaced > 0 {
		return sc.refuse("%s:%d: a comprehension that is grouped where a function is replaced by a value", at.File, at.Row)
	}
	target, empty := emptyOf(made)
	g := sc.grouping(target, body)
	if g == nil {
		return nil
	}
	sc.groups[at] = true
	g.site = sc.program.groups
	sc.program.groups++
	in := sc.apart()
	in.group = g
	return lookupGroup(g, in.block(body), empty)
}

// emptyOf is what made sets to an empty composite, and how that is made.
func emptyOf(made ir.Stmt) (target ir.Local, empty func() ast.Value) {
	switch made := made.(type) {
	case *ir.MakeArrayStmt:
		return made.Target, func() ast.Value { return ast.NewArray() }
	case *ir.MakeSetStmt:
		return made.Target, func() ast.Value { return ast.NewSet() }
	case *ir.MakeObjectStmt:
		return made.Target, func() ast.Value { return ast.NewObject() }
	}
	return 0, nil
}

// lookupGroup sets the target to its group, after it has made all groups by body.
func lookupGroup(g *grouping, body block, empty func() ast.Value) statement {
	slots, result, site := g.slots(), int(g.target), g.site
	return func(m *machine, f frame) code {
		table := &m.memo.groups[site]
		if !table.built {
			if c := makeGroups(m, f, body, slots); c != next {
				return c
			}
			table.built = true
		}
		found, ok := table.find(f, slots)
		if !ok {
			return m.fail(errUndefinedOperand)
		}
		if found == nil {
			f[result] = ast.NewTerm(empty())
			return next
		}
		f[result] = found.result()
		return next
	}
}

// makeGroups runs body, which gives other values to the slots.
func makeGroups(m *machine, f frame, body block, slots []int) code {
	wanted := make([]*ast.Term, len(slots))
	for i, k := range slots {
		wanted[i] = f[k]
	}
	c := body.run(m, f)
	if c == failed {
		return failed
	}
	if c > undefined {
		return m.fail(errLeftBlock)
	}
	for i, k := range slots {
		f[k] = wanted[i]
	}
	return next
}

func (g *grouping) slots() []int {
	out := make([]int, len(g.keys))
	for i, k := range g.keys {
		out[i] = int(k)
	}
	return out
}

// beginGrouped frees the keys of comprehensions that are grouped from constants of b: they
// have other values while groups are made.
func beginGrouped(sc *scope, b *ir.Block) statement {
	sc.free = map[ir.Local]bool{}
	var last ir.Stmt
	plan.Walk([]*ir.Block{b}, func(s ir.Stmt) {
		if block, ok := s.(*ir.BlockStmt); ok && last != nil && sc.grouped[sc.place(last)] && plan.IsComprehension(last, block) {
			for v := range sc.outer(block.Blocks[0]) {
				sc.free[v] = true
			}
		}
		last = s
	})
	return nil
}

// outer are the variables that b reads and does not set.
func (sc *scope) outer(b *ir.Block) map[ir.Local]bool {
	inside := map[ir.Local]bool{ir.Input: true, ir.Data: true}
	plan.Walk([]*ir.Block{b}, func(s ir.Stmt) { plan.Writes(s, func(v ir.Local) { inside[v] = true }) })
	out := map[ir.Local]bool{}
	plan.Walk([]*ir.Block{b}, func(s ir.Stmt) {
		plan.Reads(s, func(v ir.Local) {
			if v = sc.source(v); !inside[v] {
				out[v] = true
			}
		})
	})
	return out
}

// grouping works out how to group the comprehension that b fills, nil when it
// does not know.
func (sc *scope) grouping(target ir.Local, b *ir.Block) *grouping {
	free := sc.outer(b)
	if len(free) == 0 {
		return nil
	}
	g := &grouping{target: target, binds: map[*ir.EqualStmt]binding{}}
	if !sc.follow(b, g, free) || g.add == nil || len(free) > 0 {
		return nil
	}
	return g
}

// follow goes along the statements that every element passes through, and takes
// from free the variables that get a value.
func (sc *scope) follow(b *ir.Block, g *grouping, free map[ir.Local]bool) bool {
	for i, s := range b.Stmts {
		last := i == len(b.Stmts)-1
		switch s := s.(type) {
		case *ir.EqualStmt:
			bound, ok := sc.bindKey(s, g, free)
			if bound {
				continue
			}
			if !ok {
				return false
			}
		case *ir.ScanStmt:
			if last && !free[sc.source(s.Source)] {
				return sc.follow(s.Block, g, free)
			}
		}
		if addsTo(s, g.target) {
			g.add = s
		}
		if g.add != nil && !last || !sc.apartFrom(s, g, free) {
			return false
		}
	}
	return true
}

// apartFrom reports whether s reads neither a key that has no value yet, nor the result
// before the element is added.
func (sc *scope) apartFrom(s ir.Stmt, g *grouping, free map[ir.Local]bool) bool {
	return !sc.touches(s, free) && (g.add != nil || !sc.touches(s, map[ir.Local]bool{g.target: true}))
}

// bindKey binds the key that s compares with. ok is false where it compares two of them.
func (sc *scope) bindKey(s *ir.EqualStmt, g *grouping, free map[ir.Local]bool) (bound, ok bool) {
	x, xFree := sc.freeVariable(s.A, free)
	y, yFree := sc.freeVariable(s.B, free)
	switch {
	case xFree && yFree:
		return false, false
	case xFree:
		g.bind(s, x, s.B, free)
		return true, true
	case yFree:
		g.bind(s, y, s.A, free)
		return true, true
	}
	return false, true
}

func (sc *scope) freeVariable(o ir.Operand, free map[ir.Local]bool) (ir.Local, bool) {
	v, ok := o.Value.(ir.Local)
	return sc.source(v), ok && free[sc.source(v)]
}

// addsTo reports whether s adds an element to a comprehension.
func addsTo(s ir.Stmt, target ir.Local) bool {
	switch s := s.(type) {
	case *ir.ArrayAppendStmt:
		return s.Array == target
	case *ir.SetAddStmt:
		return s.Set == target
	case *ir.ObjectInsertOnceStmt:
		return s.Object == target
	}
	return false
}

func (g *grouping) bind(s *ir.EqualStmt, key ir.Local, value ir.Operand, free map[ir.Local]bool) {
	g.binds[s] = binding{key, value}
	g.keys = append(g.keys, key)
	delete(free, key)
}

// touches reports whether s, or a statement below it, reads one of vars.
func (sc *scope) touches(s ir.Stmt, vars map[ir.Local]bool) bool {
	found := false
	plan.Walk([]*ir.Block{{Stmts: []ir.Stmt{s}}}, func(s ir.Stmt) {
		plan.Reads(s, func(v ir.Local) { found = found || vars[sc.source(v)] })
	})
	return found
}

// groupStatement lowers a statement of a comprehension that is grouped, nil where it does
// what it says.
func (sc *scope) groupStatement(s ir.Stmt) statement {
	if equal, ok := s.(*ir.EqualStmt); ok {
		b, ok := sc.group.binds[equal]
		if !ok {
			return nil
		}
		key, value := int(b.key), sc.operand(b.value)
		return func(_ *machine, f frame) code {
			v := value.in(f)
			if v == nil {
				return undefined
			}
			f[key] = v
			return next
		}
	}
	if s != sc.group.add {
		return nil
	}
	switch s := s.(type) {
	case *ir.ArrayAppendStmt:
		return addToGroup(sc.group, sc.operand(s.Value), func(g *group, v *ast.Term) { g.elements = append(g.elements, v) })
	case *ir.SetAddStmt:
		return addToGroup(sc.group, sc.operand(s.Value), func(g *group, v *ast.Term) {
			if g.set == nil {
				g.set = ast.NewSet()
			}
			g.set.Add(v)
		})
	case *ir.ObjectInsertOnceStmt:
		return insertIntoGroup(sc.group, sc.operand(s.Key), sc.operand(s.Value))
	}
	return nil
}

func addToGroup(of *grouping, value operand, add func(g *group, value *ast.Term)) statement {
	site, slots := of.site, of.slots()
	return func(m *machine, f frame) code {
		v := value.in(f)
		g, ok := m.memo.groups[site].of(f, slots)
		if !ok || v == nil {
			return m.fail(errUndefinedOperand)
		}
		add(g, v)
		return next
	}
}

func insertIntoGroup(of *grouping, key, value operand) statement {
	site, slots := of.site, of.slots()
	return func(m *machine, f frame) code {
		k, v := key.in(f), value.in(f)
		g, ok := m.memo.groups[site].of(f, slots)
		if !ok || k == nil || v == nil {
			return m.fail(errUndefinedOperand)
		}
		// In a group the last value of a key counts; alone, two are a conflict.
		if g.object == nil {
			g.object = ast.NewObject()
		}
		g.object.Insert(k, v)
		return next
	}
}
