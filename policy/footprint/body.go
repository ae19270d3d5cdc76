package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// body is one branch of a rule while it is analysed. First it is walked, which
// collects what each variable is bound to and how it is used; then the bindings
// are resolved, and what is used of them is counted.
type body struct {
	a      *analysis
	of     *summary // of the rules at this place
	rule   *ast.Rule
	active bool // a rule of data.lib.time.active
	// constants are what the arguments are known to be, nil for others.
	constants []*ast.Term
	// closures is how many bodies are around the one that is walked.
	closures int

	classes  map[ast.Var]*class
	ordered  []*class
	uses     []use
	calls    []call
	location *ast.Location // of the expression that is walked
}

// class is a variable, with those that are equal to it.
type class struct {
	parent   *class
	bindings []binding
	// whole says that the variable is used in another way than to look into it.
	whole      bool
	location   *ast.Location
	busy, done bool
	value      value
	// constant is what the variable is known to be from here on, nil for nothing.
	constant *ast.Term
}

// binding is what a variable is bound to: the value of a parameter, of a
// reference, or of a call; or else something that has been counted.
type binding struct {
	kind      bindingKind
	parameter int
	ref       ast.Ref
	call      []*ast.Term
	location  *ast.Location
}

type bindingKind int

const (
	countedBinding bindingKind = iota
	parameterBinding
	refBinding
	callBinding
)

// use is one of a value that has no variable.
type use struct {
	binding binding
	whole   bool
}

type call struct {
	terms    []*ast.Term
	node     *ast.TreeNode
	location *ast.Location
}

// analyse counts what branch reads and gives its value if the rule has one to
// follow; otherwise that is counted too.
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
		b.settle(c)
	}
	for _, u := range b.uses {
		b.location = u.binding.location
		if v := b.value(u.binding); u.whole {
			b.a.read(v, b.of, b.location)
		} else {
			b.a.glance(v, b.of, b.location)
		}
	}
	for _, c := range b.calls {
		b.pass(c)
	}
	b.location = branch.Location
	return b.value(result)
}

// parameters binds the arguments in the head of branch.
func (b *body) parameters(branch *ast.Rule) {
	args := branch.Head.Args
	if len(args) == 0 {
		args = b.rule.Head.Args
	}
	for i, arg := range args {
		b.bind(arg, binding{kind: parameterBinding, parameter: i, location: b.location})
		if name, ok := variable(arg); ok && i < len(b.constants) {
			b.class(name).constant = b.constants[i]
		}
	}
}

// settle counts what is used of the variable.
func (b *body) settle(c *class) {
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
			b.a.glance(v, b.of, each.location)
		}
	}
}

// body walks a body that is inside the branch's own.
func (b *body) body(exprs ast.Body) {
	b.closures++
	b.exprs(exprs)
	b.closures--
}

func (b *body) exprs(exprs ast.Body) {
	for _, expr := range exprs {
		b.expr(expr)
	}
}

func (b *body) expr(expr *ast.Expr) {
	if expr.Location != nil {
		b.location = expr.Location
	}
	for _, with := range expr.With {
		b.with(with)
	}
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		b.glance(terms)
	case []*ast.Term:
		b.call(terms)
	case *ast.Every:
		b.every(terms)
		b.body(terms.Body)
	case *ast.Not:
		b.body(terms.Body)
	case *ast.LogicalAnd:
		b.body(terms.Lhs)
		b.body(terms.Rhs)
	case *ast.LogicalOr:
		b.body(terms.Lhs)
		b.body(terms.Rhs)
	case *ast.SomeDecl:
	default:
		b.a.unsure(b.location)
	}
}

// every binds the variables of an every as a some does.
func (b *body) every(every *ast.Every) {
	key := every.Key
	if key == nil {
		key = ast.VarTerm(ast.WildcardPrefix)
	}
	switch domain := every.Domain.Value.(type) {
	case ast.Var:
		b.unify(every.Value, ast.RefTerm(every.Domain, key))
	case ast.Ref:
		b.unify(every.Value, ast.NewTerm(domain.Append(key)))
	default:
		b.whole(key)
		b.whole(every.Value)
		b.whole(every.Domain)
	}
}

// with leaves out the target, which is not read there, and has what functions
// it replaces remembered.
func (b *body) with(with *ast.With) {
	b.whole(with.Value)
	target, ok := with.Target.Value.(ast.Ref)
	if !ok {
		b.a.mocks[with.Target.String()] = true
		return
	}
	node := b.a.function(target)
	document := target.HasPrefix(ast.InputRootRef) || target.HasPrefix(ast.DefaultRootRef)
	if !document || node != nil && len(node.Values[0].Head.Args) > 0 {
		b.a.mocks[target.String()] = true
	}
}

func (b *body) call(terms []*ast.Term) {
	op, ok := terms[0].Value.(ast.Ref)
	if !ok {
		b.a.unsure(b.location)
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
			b.a.unsure(b.location)
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
		b.glance(arg)
	}
	b.calls = append(b.calls, call{terms, node, b.location})
	b.output(terms, args[arity:])
}

// followed says whether name is a builtin whose operands need not be whole,
// and takes care of them.
func (b *body) followed(name string, terms []*ast.Term) bool {
	args := terms[1:]
	switch {
	case name == ast.ObjectGet.Name && len(args) >= 3:
		if _, ok := keys(args[1]); !ok {
			return false
		}
		b.glance(args[0])
		b.whole(args[2])
		b.output(terms, args[3:])
	case name == ast.NotEqual.Name && len(args) >= 2 && ast.IsScalar(args[0].Value):
		b.glance(args[1])
		b.wholes(args[2:])
	case name == ast.NotEqual.Name && len(args) >= 2 && ast.IsScalar(args[1].Value):
		b.glance(args[0])
		b.wholes(args[2:])
	case glancing[name] && len(args) >= 1:
		b.glance(args[0])
		b.wholes(args[1:])
	default:
		return false
	}
	return true
}

// keys are the names that the second operand of object.get goes by.
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

// output binds what the call gives, where rest holds a term for it.
func (b *body) output(terms, rest []*ast.Term) {
	given := binding{kind: callBinding, call: terms, location: b.location}
	if len(rest) == 0 {
		b.uses = append(b.uses, use{binding: given})
		return
	}
	b.bind(rest[0], given)
	b.wholes(rest[1:])
}

// bind makes term equal to what a parameter or a call gives.
func (b *body) bind(term *ast.Term, given binding) {
	switch v := term.Value.(type) {
	case ast.Var:
		c := b.class(v)
		c.bindings = append(c.bindings, given)
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		b.uses = append(b.uses, use{binding: given})
	default:
		b.whole(term)
		b.uses = append(b.uses, use{binding: given, whole: true})
	}
}

// unify makes two terms equal.
func (b *body) unify(x, y *ast.Term) {
	left, leftVar := variable(x)
	right, rightVar := variable(y)
	switch {
	case leftVar && rightVar:
		b.join(b.class(left), b.class(right))
	case leftVar:
		b.equate(left, y)
	case rightVar:
		b.equate(right, x)
	case ast.IsScalar(x.Value):
		b.glance(y)
	case ast.IsScalar(y.Value):
		b.glance(x)
	default:
		b.whole(x)
		b.whole(y)
	}
}

// equate makes a variable equal to a term that is none.
func (b *body) equate(name ast.Var, term *ast.Term) {
	if ast.IsScalar(term.Value) {
		// A scalar tells no two objects apart.
		b.assign(name, term)
		return
	}
	c := b.class(name)
	ref, ok := term.Value.(ast.Ref)
	if !ok {
		b.whole(term)
		c.bindings = append(c.bindings, binding{location: b.location})
		return
	}
	b.operands(ref)
	c.bindings = append(c.bindings, b.refTo(ref))
}

// variable gives the name of a term that is a local variable.
func variable(term *ast.Term) (ast.Var, bool) {
	name, ok := term.Value.(ast.Var)
	if !ok || isRoot(name) {
		return "", false
	}
	return name, true
}

func isRoot(name ast.Var) bool {
	return name.Equal(ast.InputRootDocument.Value) || name.Equal(ast.DefaultRootDocument.Value)
}

func (b *body) refTo(ref ast.Ref) binding {
	if inserted := b.insertInto(ref); inserted != nil {
		ref = inserted
	}
	return binding{kind: refBinding, ref: ref, location: b.location}
}

// glance counts term as looked at.
func (b *body) glance(term *ast.Term) {
	switch v := term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
	case ast.Var:
		b.uses = append(b.uses, use{binding: b.refTo(ast.Ref{term})})
	case ast.Ref:
		b.operands(v)
		b.uses = append(b.uses, use{binding: b.refTo(v)})
	default:
		b.whole(term)
	}
}

// operands counts what is in ref beside its own value.
func (b *body) operands(ref ast.Ref) {
	if _, ok := ref[0].Value.(ast.Var); !ok {
		b.whole(ref[0])
	}
	b.wholes(ref[1:])
}

func (b *body) wholes(terms []*ast.Term) {
	for _, term := range terms {
		b.whole(term)
	}
}

// whole counts term, and everything in it, as read whole.
func (b *body) whole(term *ast.Term) {
	switch v := term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
	case ast.Var:
		if isRoot(v) {
			b.uses = append(b.uses, use{binding: b.refTo(ast.Ref{term}), whole: true})
			return
		}
		c := b.class(v)
		if !c.whole {
			c.whole, c.location = true, b.location
		}
	case ast.Ref:
		b.operands(v)
		b.uses = append(b.uses, use{binding: b.refTo(v), whole: true})
	case *ast.Array:
		v.Foreach(b.whole)
	case ast.Set:
		v.Foreach(b.whole)
	case ast.Object:
		v.Foreach(func(key, value *ast.Term) {
			b.whole(key)
			b.whole(value)
		})
	case *ast.ArrayComprehension:
		b.body(v.Body)
		b.whole(v.Term)
	case *ast.SetComprehension:
		b.body(v.Body)
		b.whole(v.Term)
	case *ast.ObjectComprehension:
		b.body(v.Body)
		b.whole(v.Key)
		b.whole(v.Value)
	case ast.Call:
		b.call(v)
		b.uses = append(b.uses, use{binding: binding{kind: callBinding, call: v, location: b.location}, whole: true})
	default:
		b.a.unsure(b.location)
	}
}

// class finds the variables that are equal to name.
func (b *body) class(name ast.Var) *class {
	c, ok := b.classes[name]
	if !ok {
		c = &class{}
		b.classes[name] = c
		b.ordered = append(b.ordered, c)
	}
	for c.parent != nil {
		c = c.parent
	}
	return c
}

// join makes two variables one. With a binding each they are compared, which
// having more than one says.
func (b *body) join(x, y *class) {
	if x == y {
		return
	}
	y.parent = x
	if x.constant == nil || y.constant == nil || !x.constant.Equal(y.constant) {
		x.constant = nil // not all that they are called is known where they are equal
	}
	x.bindings = append(x.bindings, y.bindings...)
	if y.whole && !x.whole {
		x.whole, x.location = true, y.location
	}
}

// valueOf is what the variable stands for, if that is to be followed.
func (b *body) valueOf(c *class) value {
	if c.done || c.whole || len(c.bindings) != 1 {
		return c.value
	}
	if c.busy {
		b.a.unsure(b.location)
		return value{}
	}
	c.busy = true
	c.value = b.value(c.bindings[0])
	c.busy, c.done = false, true
	return c.value
}

func (b *body) value(of binding) value {
	switch of.kind {
	case parameterBinding:
		return placeAt(of.parameter)
	case refBinding:
		return b.refValue(of.ref)
	case callBinding:
		return b.callValue(of.call)
	}
	return value{}
}

func (b *body) refValue(ref ast.Ref) value {
	name, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return value{}
	case name.Equal(ast.InputRootDocument.Value):
		return b.a.follow(placeAt(inputRoot), ref[1:], b.of, b.location)
	case name.Equal(ast.DefaultRootDocument.Value):
		return b.a.data(ref, b.of, b.location)
	}
	if c, ok := b.classes[name]; ok {
		for c.parent != nil {
			c = c.parent
		}
		return b.a.follow(b.valueOf(c), ref[1:], b.of, b.location)
	}
	// The value of a `with` can name a builtin.
	if text := ref.String(); len(ref) > 1 {
		if _, known := ast.BuiltinMap[text]; known {
			b.builtin(text)
		}
	}
	return value{}
}

func (b *body) termValue(term *ast.Term) value {
	switch v := term.Value.(type) {
	case ast.Var:
		return b.refValue(ast.Ref{term})
	case ast.Ref:
		return b.refValue(v)
	}
	return value{}
}

// callValue is what a call gives whose operands are followed.
func (b *body) callValue(terms []*ast.Term) value {
	op := terms[0].Value.(ast.Ref)
	if op.Equal(ast.ObjectGet.Ref()) {
		if path, ok := keys(terms[2]); ok && !b.a.mocked[op.String()] {
			return b.termValue(terms[1]).extend(path)
		}
		return value{}
	}
	node := b.a.function(op)
	if node == nil || b.a.mocked[op.String()] || node == b.a.active {
		return value{}
	}
	result := b.a.callee(node, terms).result
	out := value{mixed: result.mixed}
	for _, p := range result.places {
		if p.root < 0 {
			out = out.merge(value{places: []place{p}})
		} else {
			out = out.merge(b.termValue(terms[1+p.root]).extend(p.path))
		}
	}
	if out.tooLarge() {
		b.a.read(out, b.of, b.location)
		return value{}
	}
	return out
}

// pass counts what a function reads of its arguments.
func (b *body) pass(c call) {
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
		s.params[i].glances.each(func(path []string, _ *ast.Location) {
			b.a.glance(v.extend(path), b.of, c.location)
		})
	}
}
