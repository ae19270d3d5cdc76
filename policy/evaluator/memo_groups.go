package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

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
