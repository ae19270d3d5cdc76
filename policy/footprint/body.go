package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// body is one branch of a rule while it is analysed. A walk collects what each
// variable is bound to and how it is used (walk.go, call.go, terms.go, variables.go).
// Then the bindings are resolved to values (resolve.go), and the parts of them that the
// branch uses are counted as read (reads.go).
type body struct {
	a      *analysis
	of     *summary // of the rules that the branch is one of
	rule   *ast.Rule
	active bool // a rule of data.lib.time.active
	// constants are the arguments that are known, by parameter; nil for the others.
	constants []*ast.Term
	// closures is how many bodies are around the one that is being walked.
	closures int

	classes  map[ast.Var]*class
	ordered  []*class
	uses     []use
	calls    []call
	location *ast.Location // of the expression that is being walked
}

// use is a use of a value that no variable is bound to.
type use struct {
	binding binding
	whole   bool
}

// analyse counts what branch reads. It returns the value of the branch where complete
// says that the rule has one that can be followed; otherwise the value is counted too.
func (b *body) analyse(branch *ast.Rule, complete bool) value {
	b.location = branch.Location
	b.parameters(branch)
	head := branch.Head
	for _, element := range head.Ref()[1:] {
		b.whole(element)
	}
	if head.Key != nil {
		b.whole(head.Key)
	}
	result := binding{}
	if head.Value != nil {
		if ref, ok := head.Value.Value.(ast.Ref); ok && complete {
			b.operands(ref)
			result = b.refTo(ref)
		} else if name, ok := head.Value.Value.(ast.Var); ok && complete {
			result = b.refTo(ast.Ref{ast.NewTerm(name)})
		} else {
			b.whole(head.Value)
		}
	}
	b.exprs(branch.Body)

	for _, c := range b.ordered {
		b.countVariable(c)
	}
	for _, u := range b.uses {
		b.location = u.binding.location
		if v := b.value(u.binding); u.whole {
			b.a.read(v, b.of, b.location)
		} else {
			b.a.readPresence(v, b.of, b.location)
		}
	}
	for _, c := range b.calls {
		b.countArguments(c)
	}
	b.location = branch.Location
	return b.value(result)
}

// parameters binds the arguments in the head of branch.
func (b *body) parameters(branch *ast.Rule) {
	for i, arg := range arguments(b.rule, branch) {
		b.bind(arg, binding{kind: parameterBinding, parameter: i, location: b.location})
		if name, ok := variable(arg); ok && i < len(b.constants) {
			b.class(name).constant = b.constants[i]
		}
	}
}

// countVariable counts what the branch reads through the variables of c.
func (b *body) countVariable(c *class) {
	if c.parent != nil {
		return
	}
	for _, each := range c.bindings {
		b.location = each.location
		v := b.value(each)
		switch {
		case c.whole:
			b.a.read(v, b.of, c.location)
		case len(c.bindings) > 1:
			b.a.read(v, b.of, each.location)
		case each.kind != parameterBinding:
			b.a.readPresence(v, b.of, each.location)
		}
	}
}
