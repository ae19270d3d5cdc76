package evaluator

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// layer is an object of base documents of which one member is replaced, for as long as
// a modifier such as `with data.a.b as 1` holds. The objects on the path are not copied:
// a reference that goes on below them needs none of their other members. Layers are
// never passed on as values: the value that a reference ends at is complete.
//
// OPA's interpreter keeps what replaces data in a tree of its own. A reference to what
// is in it, or below, finds no more than that. One that ends above finds the tree and
// the base documents merged, so that the members of an object that was replaced by another one
// come back.
type layer struct {
	// Object is what the layer lies on. Only the methods below use it.
	ast.Object
	key, value *ast.Term
	// base are the base documents at this place, nil for none.
	base *ast.Term
	// inside says that all of it belongs to what has been put into the tree.
	inside bool
}

// Get implements ast.Object.
func (l *layer) Get(key *ast.Term) *ast.Term {
	if l.key.Equal(key) {
		return l.value
	}
	v := l.Object.Get(key)
	if v == nil && !l.inside && l.base != nil && objectIn(l.base) == nil {
		return part(l.base, key) // the items of a list that an object has replaced
	}
	return v
}

// Find implements ast.Value.
func (l *layer) Find(ref ast.Ref) (ast.Value, error) {
	if len(ref) > 0 {
		below := l.Get(ref[0])
		if below == nil {
			return nil, errNotFound
		}
		return below.Value.Find(ref[1:])
	}
	return complete(ast.NewTerm(l)).Value, nil
}

// members are the names of all members, in order.
func (l *layer) members() []*ast.Term {
	var out []*ast.Term
	if under, ok := l.Object.(*layer); ok {
		out = under.members()
	} else {
		out = slices.Clone(l.Keys())
	}
	if l.Object.Get(l.key) == nil {
		out = append(out, l.key)
	}
	slices.SortFunc(out, func(a, b *ast.Term) int { return a.Value.Compare(b.Value) })
	return out
}

// layered is view with value at path. base is what no modifier has replaced, at the
// same place.
func layered(view, base *ast.Term, path []*ast.Term, value *ast.Term) *ast.Term {
	if len(path) == 0 {
		return value
	}
	out := &layer{Object: objectIn(view), key: path[0], base: base}
	if on, ok := out.Object.(*layer); ok {
		out.inside = on.inside
	} else {
		out.inside = view != base
	}
	if out.Object == nil {
		out.Object = noMembers
	}
	var below *ast.Term
	if object := objectIn(base); object != nil {
		below = object.Get(out.key)
	}
	out.value = layered(out.Object.Get(out.key), below, path[1:], value)
	return ast.NewTerm(out)
}

// complete is what a reference finds that ends at t, which may be nil.
func complete(t *ast.Term) *ast.Term {
	if t == nil {
		return nil
	}
	l, ok := t.Value.(*layer)
	if !ok {
		return t
	}
	if l.inside {
		return ast.NewTerm(with(complete(ast.NewTerm(l.Object)).Value.(ast.Object), l.key, complete(l.value)))
	}
	tree, base := l.tree(), objectIn(l.base)
	if base == nil {
		return ast.NewTerm(tree)
	}
	return ast.NewTerm(merge(tree, base))
}

// tree is what has been put in the place of parts of l.
func (l *layer) tree() ast.Object {
	under := noMembers
	if on, ok := l.Object.(*layer); ok {
		under = on.tree()
	}
	value := complete(l.value)
	if below, ok := l.value.Value.(*layer); ok && !below.inside {
		value = ast.NewTerm(below.tree())
	}
	return with(under, l.key, value)
}

// with is a copy of object with another member.
func with(object ast.Object, key, value *ast.Term) ast.Object {
	out := ast.NewObjectWithCapacity(object.Len() + 1)
	object.Foreach(func(k, v *ast.Term) { out.Insert(k, v) })
	out.Insert(key, value)
	return out
}

// merge is base with the members of tree; those that are objects in both are merged.
func merge(tree, base ast.Object) ast.Object {
	out := ast.NewObjectWithCapacity(tree.Len() + base.Len())
	base.Foreach(func(k, v *ast.Term) { out.Insert(k, v) })
	tree.Foreach(func(k, v *ast.Term) {
		if a, b := objectIn(v), objectIn(base.Get(k)); a != nil && b != nil {
			v = ast.NewTerm(merge(a, b))
		}
		out.Insert(k, v)
	})
	return out
}

// replaced is root with value at path; root itself stays as it is. What is no object
// on the path gives way to one.
func replaced(root *ast.Term, path []*ast.Term, value *ast.Term) *ast.Term {
	if len(path) == 0 {
		return value
	}
	object := objectIn(root)
	if object == nil {
		object = noMembers
	}
	return ast.NewTerm(with(object, path[0], replaced(object.Get(path[0]), path[1:], value)))
}
