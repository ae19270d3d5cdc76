package footprint

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A function that is handed the name of a field, such as field(input.spec, "user"),
// reads that field and not all of its argument. It is analysed for each of the names
// that it is called with.

// instances are the summaries of one function.
type instances struct {
	known map[string]*summary
	// keys says which parameters may be names to look into something with.
	keys []bool
}

// maxInstances bounds for how many constants one function is analysed.
const maxInstances = 16

func newInstances(node *ast.TreeNode) *instances {
	out := &instances{known: map[string]*summary{}, keys: make([]bool, len(node.Values[0].Head.Args))}
	for rule, branch := range branches(node) {
		used := keyVariables(branch)
		for i, arg := range arguments(rule, branch) {
			if name, ok := variable(arg); ok && used.Contains(name) && i < len(out.keys) {
				out.keys[i] = true
			}
		}
	}
	return out
}

// keyVariables are the variables that may name a field: those in a reference after its
// first element, and the arguments of calls, since the function may use them so.
func keyVariables(branch *ast.Rule) ast.VarSet {
	out := ast.NewVarSet()
	add := func(terms []*ast.Term) {
		for _, t := range terms {
			ast.WalkVars(t, func(v ast.Var) bool {
				out.Add(v)
				return false
			})
		}
	}
	one := *branch
	one.Else = nil
	ast.WalkRefs(&one, func(r ast.Ref) bool {
		add(r[1:])
		return false
	})
	ast.WalkExprs(&one, func(e *ast.Expr) bool {
		if e.IsCall() {
			add(e.Operands())
		}
		return false
	})
	return out
}

// choose leaves those of constants that matter, and a key for them. It leaves none where
// the function has been analysed for maxInstances of them.
func (i *instances) choose(constants []*ast.Term) (key string, matter []*ast.Term) {
	var b strings.Builder
	for n, constant := range constants {
		if constant == nil || n >= len(i.keys) || !i.keys[n] {
			continue
		}
		if matter == nil {
			matter = make([]*ast.Term, len(i.keys))
		}
		matter[n] = constant
		b.WriteString(strconv.Itoa(n) + strconv.Quote(string(constant.Value.(ast.String))))
	}
	key = b.String()
	if i.known[key] == nil && len(i.known) >= maxInstances {
		return "", nil
	}
	return key, matter
}

// assign records that a variable is a constant from here on. It does so for a variable
// that is new, and in the body of the branch itself, not in one inside it.
func (b *body) assign(name ast.Var, constant *ast.Term) {
	if _, mentioned := b.classes[name]; mentioned || b.closures > 0 {
		return
	}
	if _, ok := constant.Value.(ast.String); ok {
		b.class(name).constant = constant
	}
}

// inserted are terms with the constants of variables in their place.
func (b *body) inserted(terms []*ast.Term) []*ast.Term {
	out := make([]*ast.Term, len(terms))
	for i, t := range terms {
		out[i] = b.insert(t)
	}
	return out
}

func (b *body) insert(t *ast.Term) *ast.Term {
	switch v := t.Value.(type) {
	case ast.Var:
		if c, ok := b.classes[v]; ok {
			if c = c.representative(); c.constant != nil {
				return c.constant
			}
		}
	case ast.Ref:
		if ref := b.insertInto(v); ref != nil {
			return ast.NewTerm(ref).SetLocation(t.Location)
		}
	case *ast.Array:
		elements := make([]*ast.Term, v.Len())
		changed := false
		for i := range elements {
			elements[i] = b.insert(v.Elem(i))
			changed = changed || elements[i] != v.Elem(i)
		}
		if changed {
			return ast.ArrayTerm(elements...).SetLocation(t.Location)
		}
	}
	return t
}

// insertInto is ref with the constants of variables after its beginning, nil where it
// has none.
func (b *body) insertInto(ref ast.Ref) ast.Ref {
	var out ast.Ref
	for i, element := range ref[1:] {
		inserted := b.insert(element)
		if inserted == element {
			continue
		}
		if out == nil {
			out = make(ast.Ref, len(ref))
			copy(out, ref)
		}
		out[1+i] = inserted
	}
	return out
}
