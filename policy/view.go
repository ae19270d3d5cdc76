package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// View is a revision with the changing data of one instant: what one request
// is decided by. It is immutable.
type View struct {
	*Revision
	decider *decider
	data    ast.Object // under `data`, the changing data included
	changing
	// generations says for each rule which decisions still hold.
	generations []*Generation
	// tables tell nodes apart for each rule of scheduling, the first of which is
	// firstSchedulingRule. A revision may be that of many views, which have their own.
	tables []*nodes.Table
	// points likewise for all that a point decides, by Point.
	points [pointCount]*Generation
}

// View returns the revision by itself: what it decides is not kept, and the
// cluster is empty.
func (r *Revision) View() *View {
	x := newDecider(Options{})
	empty := x.newView(&Revision{data: ast.NewObject()}, changing{}, nil)
	return x.newView(r, changing{}, empty)
}

// Generation marks what the rules of a point decide.
func (v *View) Generation(point Point) *Generation { return v.points[point] }

// changing is data that changes while a revision runs. It is immutable.
type changing struct {
	cluster map[string]ast.Value // by resource
	revoked *revokedList
}

// newView puts a revision and the changing data together. Generations of old,
// which may be nil, are carried over where the rule and what it reads are the
// same; changed are the paths of changing data that differ from old.
func (x *decider) newView(revision *Revision, now changing, old *View, changed ...[]string) *View {
	v := &View{Revision: revision, decider: x, changing: now, generations: make([]*Generation, len(revision.rules))}
	v.data = now.under(revision.data)
	v.tables = x.tables(revision, old)
	var moved [pointCount]bool
	for i, r := range revision.rules {
		if old != nil && v.carries(r, old, changed) {
			v.generations[i] = old.generations[i]
			continue
		}
		v.generations[i] = x.newGeneration()
		moved[r.point] = true
	}
	if old != nil && now.revoked != old.revoked {
		moved[AuthenticationPoint] = true // Authenticate looks before any rule does
	}
	for p := range v.points {
		if old != nil && !moved[p] {
			v.points[p] = old.points[p]
			continue
		}
		v.points[p] = x.newGeneration()
	}
	return v
}

// tables are those of the rules of revision. Where a rule reads the same of nodes as
// it did in old, its classes stay.
func (x *decider) tables(revision *Revision, old *View) []*nodes.Table {
	if len(revision.rules) == 0 || old != nil && old.Revision == revision {
		return old.tablesOrNone()
	}
	scheduling := revision.rules[firstSchedulingRule:]
	before := old.tablesOrNone()
	tables := make([]*nodes.Table, len(scheduling))
	for slot, r := range scheduling {
		var table *nodes.Table
		if slot < len(before) {
			table = before[slot]
		}
		tables[slot] = nodes.NewTable(slot, r.input.Field(nodeName), r.input.Field(stateName), table, x.classes)
	}
	return tables
}

// tablesOrNone are the tables of the view, which may be nil.
func (v *View) tablesOrNone() []*nodes.Table {
	if v == nil {
		return nil
	}
	return v.tables
}

func (v *View) carries(r *rule, old *View, changed [][]string) bool {
	for _, path := range changed {
		if r.readsChanging(path...) {
			return false
		}
	}
	if r.index >= len(old.rules) {
		return false
	}
	return v.Revision == old.Revision || r.sameAs(old.rules[r.index], v.Revision.data, old.Revision.data)
}

// under returns data with the changing data in it.
func (c changing) under(data ast.Object) ast.Object {
	pairs := make([][2]*ast.Term, 0, data.Len()+2)
	data.Foreach(func(k, v *ast.Term) { pairs = append(pairs, [2]*ast.Term{k, v}) })
	resources := make([][2]*ast.Term, 0, len(c.cluster))
	for name, value := range c.cluster {
		resources = append(resources, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(value)})
	}
	pairs = append(pairs, [2]*ast.Term{ast.StringTerm(clusterRoot), ast.NewTerm(ast.NewObject(resources...))})
	if c.revoked != nil {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(revokedRoot), ast.NewTerm(c.revoked.document)})
	}
	return ast.NewObject(pairs...)
}
