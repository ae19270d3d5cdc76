package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

type call struct {
	terms    []*ast.Term
	node     *ast.TreeNode
	location *ast.Location
}

func (b *body) call(terms []*ast.Term) {
	op, ok := terms[0].Value.(ast.Ref)
	if !ok {
		b.a.readEverything(b.location)
		return
	}
	name := op.String()
	terms = b.inserted(terms)
	args := terms[1:]
	if name == ast.Equality.Name && len(args) == 2 {
		b.unify(args[0], args[1])
		return
	}
	mocked := b.a.mocked[name]
	node := b.a.function(op)
	if node == nil {
		if op.HasPrefix(ast.DefaultRootRef) {
			b.a.readEverything(b.location)
		}
		b.builtin(name)
		if !mocked && b.followed(name, terms) {
			return
		}
		b.wholes(args)
		return
	}
	arity := len(node.Values[0].Head.Args)
	if mocked || node == b.a.active || len(args) < arity {
		b.a.subtree(node, b.location)
		b.wholes(args)
		return
	}
	for _, arg := range args[:arity] {
		b.presence(arg)
	}
	b.calls = append(b.calls, call{terms, node, b.location})
	b.output(terms, args[arity:])
}

// followed counts the operands of a builtin that does not read all of them whole. It
// reports whether name is such a builtin.
func (b *body) followed(name string, terms []*ast.Term) bool {
	args := terms[1:]
	switch {
	case name == ast.ObjectGet.Name && len(args) >= 3:
		if _, ok := keys(args[1]); !ok {
			return false
		}
		b.presence(args[0])
		b.whole(args[2])
		b.output(terms, args[3:])
	case name == ast.NotEqual.Name && len(args) >= 2 && ast.IsScalar(args[0].Value):
		b.presence(args[1])
		b.wholes(args[2:])
	case name == ast.NotEqual.Name && len(args) >= 2 && ast.IsScalar(args[1].Value):
		b.presence(args[0])
		b.wholes(args[2:])
	case checksPresence[name] && len(args) >= 1:
		b.presence(args[0])
		b.wholes(args[1:])
	default:
		return false
	}
	return true
}

// keys are the names in the second operand of object.get; false where they are not constant.
func keys(operand *ast.Term) ([]string, bool) {
	switch v := operand.Value.(type) {
	case ast.String:
		return []string{string(v)}, true
	case *ast.Array:
		var out []string
		for i := range v.Len() {
			name, ok := v.Elem(i).Value.(ast.String)
			if !ok {
				return nil, false
			}
			out = append(out, string(name))
		}
		return out, true
	}
	return nil, false
}

// builtin records the use of the builtin called name.
func (b *body) builtin(name string) {
	if b.active && name == ast.NowNanos.Name {
		return
	}
	b.a.use(name, b.rule, b.location)
}

// output binds the value of the call to the term for it, which rest holds if there is one.
func (b *body) output(terms, rest []*ast.Term) {
	given := binding{kind: callBinding, call: terms, location: b.location}
	if len(rest) == 0 {
		b.uses = append(b.uses, use{binding: given})
		return
	}
	b.bind(rest[0], given)
	b.wholes(rest[1:])
}

// countArguments counts what a function reads of its arguments.
func (b *body) countArguments(c call) {
	b.location = c.location
	s := b.a.callee(c.node, c.terms)
	for i := range s.params {
		if i+1 >= len(c.terms) {
			break
		}
		v := b.termValue(c.terms[1+i])
		if len(v.places) == 0 {
			continue
		}
		for _, path := range s.params[i].reads.All() {
			b.a.read(v.extend(path), b.of, c.location)
		}
		s.params[i].checks.each(func(path []string, _ *ast.Location) {
			b.a.readPresence(v.extend(path), b.of, c.location)
		})
	}
}
