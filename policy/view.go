package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// View is a revision with the changing data of one instant: what one request
// is decided by. It is immutable.
type View struct {
	*Revision
	engine  *Engine
	data    ast.Object // under `data`, the cluster included
	cluster map[string]ast.Object
	// generations says for each rule which decisions still hold.
	generations []*Generation
	// points likewise for whole answers, by Point.
	points [pointCount]*Generation
}

// View returns the revision by itself: what it decides is not kept, and the
// cluster is empty.
func (r *Revision) View() *View {
	e := NewEngine(Options{}, nil)
	empty := e.newView(&Revision{data: ast.NewObject()}, nil, nil, "")
	alone := *r
	alone.rules = make([]*rule, len(r.rules))
	for i, each := range r.rules {
		copied := *each
		alone.rules[i] = &copied
	}
	e.shareClasses(&alone, empty)
	return e.newView(&alone, nil, empty, "")
}

// Generation marks what was decided under the same rules and data: what is
// kept with one holds exactly as long as it is the current one. Generations are
// compared by address.
type Generation struct {
	id uint64 // unique within an engine
}

// point is an extension point whose answers as a whole may be kept.
type point int

const (
	authenticationPoint point = iota
	authorizationPoint
	schedulingPoint
	pointCount
)

// AuthorizationGeneration marks what Authorize decides.
func (v *View) AuthorizationGeneration() *Generation { return v.points[authorizationPoint] }

// AuthenticationGeneration marks what Authenticate decides.
func (v *View) AuthenticationGeneration() *Generation { return v.points[authenticationPoint] }

// newView puts a revision and the cluster together. Generations of old are
// carried over where the rule and what it reads are the same; changed is the
// one resource of the cluster that is another, "" for none.
func (e *Engine) newView(revision *Revision, cluster map[string]ast.Object, old *View, changed string) *View {
	v := &View{Revision: revision, engine: e, cluster: cluster, generations: make([]*Generation, len(revision.rules))}
	v.data = withCluster(revision.data, cluster)
	var moved [pointCount]bool
	for i, r := range revision.rules {
		if old != nil && v.carries(r, old, changed) {
			v.generations[i] = old.generations[i]
			continue
		}
		v.generations[i] = e.newGeneration()
		moved[r.point] = true
	}
	for p := range v.points {
		if old != nil && !moved[p] {
			v.points[p] = old.points[p]
			continue
		}
		v.points[p] = e.newGeneration()
	}
	return v
}

func (v *View) carries(r *rule, old *View, changed string) bool {
	if changed != "" && r.readsCluster(changed) {
		return false
	}
	if r.index >= len(old.rules) {
		return false
	}
	return v.Revision == old.Revision || r.sameAs(old.rules[r.index], v.Revision.data, old.Revision.data)
}

func withCluster(data ast.Object, cluster map[string]ast.Object) ast.Object {
	pairs := make([][2]*ast.Term, 0, data.Len()+1)
	data.Foreach(func(k, v *ast.Term) { pairs = append(pairs, [2]*ast.Term{k, v}) })
	resources := make([][2]*ast.Term, 0, len(cluster))
	for name, value := range cluster {
		resources = append(resources, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(value)})
	}
	pairs = append(pairs, [2]*ast.Term{ast.StringTerm(clusterRoot), ast.NewTerm(ast.NewObject(resources...))})
	return ast.NewObject(pairs...)
}
