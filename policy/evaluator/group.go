package evaluator

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// A comprehension such as [m.id | some m in input.items; m.team == team], with
// team from around it, is evaluated once for all teams: OPA's compiler finds
// these, and its interpreter runs the body with the outer variables free, puts
// what it gives into groups by their values, and looks a group up from then on.
// The plan knows nothing of it, so we do the same to its blocks: the statement
// that compares with an outer variable sets it instead.
//
// It has to be done for exactly the comprehensions that OPA chose. The body is
// run for all groups, and what fails for one of them is an error for all.

// indexed finds the comprehensions that OPA's interpreter groups, among the
// rules that the document at ref depends on.
func indexed(compiler *ast.Compiler, ref ast.Ref) (map[place]bool, error) {
	out, seen := map[place]bool{}, map[place]*ast.Term{}
	var err error
	for _, rule := range reachable(compiler, ref) {
		ast.WalkTerms(alone(rule), func(t *ast.Term) bool {
			if !ast.IsComprehension(t.Value) {
				return false
			}
			at := placeOf(t.Location)
			if other := seen[at]; other != nil && other != t && (out[at] || compiler.ComprehensionIndex(t) != nil) {
				err = fmt.Errorf("%v: comprehensions of which OPA's interpreter groups one", t.Location)
			}
			seen[at] = t
			out[at] = out[at] || compiler.ComprehensionIndex(t) != nil
			return false
		})
	}
	return out, err
}

// grouping is how one comprehension is grouped.
type grouping struct {
	target ir.Local
	// keys are the variables from around it, in the order in which they get values.
	keys []ir.Local
	// binds are the comparisons that set a key, with what they set it to.
	binds map[*ir.EqualStmt]binding
	// add is the statement that adds to the result.
	add ir.Stmt
}

type binding struct {
	key   ir.Local
	value ir.Operand
}

// groupedComprehension lowers a comprehension that OPA's interpreter groups.
func (l *lowering) groupedComprehension(target ir.Local, stmts []ir.Stmt) (s statement, used int) {
	at := l.place(stmts[0].GetLocation())
	if !l.indexed[at] || len(stmts) < 2 {
		return nil, 0
	}
	b, ok := stmts[1].(*ir.BlockStmt)
	if !ok || !comprehension(stmts[0], b) {
		return nil, 0
	}
	if l.function.replaced > 0 {
		l.refuse("%s:%d: a comprehension that is grouped where a function is replaced by a value", at.file, at.row)
		return nil, 0
	}
	g := l.grouping(target, b.Blocks[0])
	if g == nil {
		return nil, 0 // it is missed at the end
	}
	l.grouped[at] = true
	site := l.program.groups
	l.program.groups++
	outer, outerSite := l.groups, l.site
	l.groups, l.site = g, site
	var body block
	l.apart(func() { body = l.block(b.Blocks[0]) })
	l.groups, l.site = outer, outerSite
	slots := make([]int, len(g.keys))
	for i, k := range g.keys {
		slots[i] = int(k)
	}
	result := int(target)
	var empty func() ast.Value
	switch stmts[0].(type) {
	case *ir.MakeArrayStmt:
		empty = func() ast.Value { return ast.NewArray() }
	case *ir.MakeSetStmt:
		empty = func() ast.Value { return ast.NewSet() }
	default:
		empty = func() ast.Value { return ast.NewObject() }
	}
	return func(m *machine, f frame) code {
		table := &m.memo.groups[site]
		if !table.built {
			wanted := make([]*ast.Term, len(slots))
			for i, k := range slots {
				wanted[i] = f[k]
			}
			c := body.run(m, f)
			if c == failed {
				return failed
			}
			if c > undefined {
				return m.fail(errUnplanned)
			}
			for i, k := range slots {
				f[k] = wanted[i]
			}
			table.built = true
		}
		found, ok := table.find(f, slots)
		if !ok {
			return m.fail(errUnplanned)
		}
		if found == nil {
			f[result] = ast.NewTerm(empty())
			return next
		}
		f[result] = found.result()
		return next
	}, 2
}

// freeKeys takes the keys of comprehensions that are grouped from the constants
// of b: they have other values while groups are made.
func (l *lowering) freeKeys(b *ir.Block) {
	var last ir.Stmt
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		if block, ok := s.(*ir.BlockStmt); ok && last != nil && l.indexed[l.place(last.GetLocation())] && comprehension(last, block) {
			for v := range l.outer(block.Blocks[0]) {
				delete(l.constants, v)
			}
		}
		last = s
	})
}

// outer are the variables that b reads and does not set.
func (l *lowering) outer(b *ir.Block) map[ir.Local]bool {
	inside := map[ir.Local]bool{ir.Input: true, ir.Data: true}
	walk([]*ir.Block{b}, func(s ir.Stmt) { writes(s, func(v ir.Local) { inside[v] = true }) })
	out := map[ir.Local]bool{}
	walk([]*ir.Block{b}, func(s ir.Stmt) {
		reads(s, func(v ir.Local) {
			if v = l.source(v); !inside[v] {
				out[v] = true
			}
		})
	})
	return out
}

// grouping works out how to group the comprehension that b fills, nil when it
// does not know.
func (l *lowering) grouping(target ir.Local, b *ir.Block) *grouping {
	free := l.outer(b)
	if len(free) == 0 {
		return nil
	}
	g := &grouping{target: target, binds: map[*ir.EqualStmt]binding{}}
	if !l.follow(b, g, free) || g.add == nil || len(free) > 0 {
		return nil
	}
	return g
}

// follow goes along the statements that every element passes through, and takes
// from free the variables that get a value.
func (l *lowering) follow(b *ir.Block, g *grouping, free map[ir.Local]bool) bool {
	isFree := func(o ir.Operand) (ir.Local, bool) {
		v, ok := o.Value.(ir.Local)
		return l.source(v), ok && free[l.source(v)]
	}
	for i, s := range b.Stmts {
		last := i == len(b.Stmts)-1
		switch s := s.(type) {
		case *ir.EqualStmt:
			x, xFree := isFree(s.A)
			y, yFree := isFree(s.B)
			switch {
			case xFree && yFree:
				return false
			case xFree:
				g.bind(s, x, s.B, free)
				continue
			case yFree:
				g.bind(s, y, s.A, free)
				continue
			}
		case *ir.ScanStmt:
			if last && !free[l.source(s.Source)] {
				return l.follow(s.Block, g, free)
			}
		case *ir.ArrayAppendStmt:
			if s.Array == g.target {
				g.add = s
			}
		case *ir.SetAddStmt:
			if s.Set == g.target {
				g.add = s
			}
		case *ir.ObjectInsertOnceStmt:
			if s.Object == g.target {
				g.add = s
			}
		}
		if g.add != nil && !last {
			return false
		}
		if l.touches(s, free) || g.add == nil && l.touches(s, map[ir.Local]bool{g.target: true}) {
			return false
		}
	}
	return true
}

func (g *grouping) bind(s *ir.EqualStmt, key ir.Local, value ir.Operand, free map[ir.Local]bool) {
	g.binds[s] = binding{key, value}
	g.keys = append(g.keys, key)
	delete(free, key)
}

// touches reports whether s, or a statement below it, reads one of vars.
func (l *lowering) touches(s ir.Stmt, vars map[ir.Local]bool) bool {
	found := false
	walk([]*ir.Block{{Stmts: []ir.Stmt{s}}}, func(s ir.Stmt) {
		reads(s, func(v ir.Local) { found = found || vars[l.source(v)] })
	})
	return found
}

// groupStatement lowers a statement of a comprehension that is grouped, where
// it does something else than it says.
func (l *lowering) groupStatement(s ir.Stmt) statement {
	if l.groups == nil {
		return nil
	}
	if equal, ok := s.(*ir.EqualStmt); ok {
		b, ok := l.groups.binds[equal]
		if !ok {
			return nil
		}
		key, value := int(b.key), l.operand(b.value)
		return func(_ *machine, f frame) code {
			v := value.in(f)
			if v == nil {
				return undefined
			}
			f[key] = v
			return next
		}
	}
	if s != l.groups.add {
		return nil
	}
	site := l.site
	slots := make([]int, len(l.groups.keys))
	for i, k := range l.groups.keys {
		slots[i] = int(k)
	}
	var value, key operand
	keyed := false
	var add func(g *group, key, value *ast.Term)
	switch s := s.(type) {
	case *ir.ArrayAppendStmt:
		value = l.operand(s.Value)
		add = func(g *group, _, value *ast.Term) { g.elements = append(g.elements, value) }
	case *ir.SetAddStmt:
		value = l.operand(s.Value)
		add = func(g *group, _, value *ast.Term) {
			if g.set == nil {
				g.set = ast.NewSet()
			}
			g.set.Add(value)
		}
	case *ir.ObjectInsertOnceStmt:
		value, key, keyed = l.operand(s.Value), l.operand(s.Key), true
		// In a group the last value of a key counts; alone, two are a conflict.
		add = func(g *group, key, value *ast.Term) {
			if g.object == nil {
				g.object = ast.NewObject()
			}
			g.object.Insert(key, value)
		}
	}
	return func(m *machine, f frame) code {
		v := value.in(f)
		var k *ast.Term
		if keyed {
			k = key.in(f)
		}
		g, ok := m.memo.groups[site].of(f, slots)
		if !ok || v == nil || keyed && k == nil {
			return m.fail(errUnplanned)
		}
		add(g, k, v)
		return next
	}
}

// groups are what one comprehension gives, by the values of its keys.
type groups struct {
	built bool
	table map[int]*group
}

// group is the result of a comprehension for one value of each key: elements of
// an array, a set or an object.
type group struct {
	keys     []*ast.Term
	elements []*ast.Term
	set      ast.Set
	object   ast.Object
	made     *ast.Term
	next     *group
}

func (g *group) result() *ast.Term {
	if g.made == nil {
		switch {
		case g.set != nil:
			g.made = ast.NewTerm(g.set)
		case g.object != nil:
			g.made = ast.NewTerm(g.object)
		default:
			g.made = ast.NewTerm(ast.NewArray(g.elements...))
		}
	}
	return g.made
}

// find looks for the group whose keys are in slots of f. ok is false when one
// of them is undefined.
func (t *groups) find(f frame, slots []int) (found *group, ok bool) {
	hash, ok := hashOf(f, slots)
	if !ok {
		return nil, false
	}
	return t.at(hash, f, slots), true
}

// of is find, and makes the group when there is none.
func (t *groups) of(f frame, slots []int) (*group, bool) {
	hash, ok := hashOf(f, slots)
	if !ok {
		return nil, false
	}
	if found := t.at(hash, f, slots); found != nil {
		return found, true
	}
	if t.table == nil {
		t.table = map[int]*group{}
	}
	keys := make([]*ast.Term, len(slots))
	for i, k := range slots {
		keys[i] = f[k]
	}
	g := &group{keys: keys, next: t.table[hash]}
	t.table[hash] = g
	return g, true
}

func (t *groups) at(hash int, f frame, slots []int) *group {
	for g := t.table[hash]; g != nil; g = g.next {
		same := true
		for i, k := range slots {
			same = same && g.keys[i].Equal(f[k])
		}
		if same {
			return g
		}
	}
	return nil
}

func hashOf(f frame, slots []int) (hash int, ok bool) {
	for _, k := range slots {
		v := f[k]
		if v == nil {
			return 0, false
		}
		hash = hash*31 + v.Value.Hash()
	}
	return hash, true
}
