package rewrite

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A set literal whose elements are known at run time is no set yet to OPA's
// interpreter where it is bound to a variable: a loop over it takes the elements in
// the order in which the literal has them, equal ones twice. It becomes a set where it
// is an operand of a builtin function, or the result of a comprehension or of a rule
// (but only from the second evaluation of the rule on). To a plan it is a set
// from the start.
//
// Where the order can't show, that is the same: the loop takes every element, and what
// they give is a set. Elsewhere, the loop is planned over a list of the elements. What
// is neither is left to the interpreter.

// incomplete says what may not be complete in a value yet.
type incomplete uint8

const (
	// runtimeSet and runtimeObject are literals of several elements or keys, not all
	// of them constants.
	runtimeSet incomplete = 1 << iota
	runtimeObject
	// holding values have such a literal in them.
	holding
)

// below is what may be incomplete of a value that is held by one.
func (s incomplete) below() incomplete {
	if s&holding != 0 {
		return runtimeSet | runtimeObject | holding
	}
	return 0
}

// objects reports whether a value is, or holds, an object that is not complete.
func (s incomplete) objects() bool { return s&(runtimeObject|holding) != 0 }

// lists are the sets of one branch of a rule whose elements have to be iterated as a
// list, by the variable that each is bound to.
type lists struct {
	sets map[ast.Var]bool
	// keys are the variables for the keys of those loops, which have no further use.
	keys map[ast.Var]bool
}

// literals follows literals that are made at run time through the rules.
type literals struct {
	compiler *ast.Compiler
	rules    []*ast.Rule
	// variables, parameters and results are what may be incomplete of them; results by
	// the path of the rule.
	variables  map[*ast.Rule]map[ast.Var]incomplete
	parameters map[*ast.Rule][]incomplete
	results    map[string]incomplete
	// replacements are what may take the place of functions, by their names.
	replacements map[string][]ast.Ref
	changed      bool

	lists map[*ast.Rule]lists
	err   error
}

func hasRuntimeLiteral(rule *ast.Rule) bool {
	found := false
	one := *rule
	one.Else = nil
	ast.WalkTerms(&one, func(t *ast.Term) bool {
		found = found || ownIncompleteness(t) != 0
		return found
	})
	return found
}

// ownIncompleteness is that of a literal apart from what it holds.
func ownIncompleteness(t *ast.Term) incomplete {
	switch v := t.Value.(type) {
	case ast.Set:
		if v.Len() > 1 && slices.ContainsFunc(v.Slice(), notConstant) {
			return runtimeSet
		}
	case ast.Object:
		if v.Len() > 1 && slices.ContainsFunc(v.Keys(), notConstant) {
			return runtimeObject
		}
	}
	return 0
}

func notConstant(t *ast.Term) bool { return !ast.IsConstant(t.Value) }

// incompleteness is that of a term of rule.
func (l *literals) incompleteness(rule *ast.Rule, t *ast.Term) incomplete {
	out := ownIncompleteness(t)
	held := func(t *ast.Term) {
		if l.incompleteness(rule, t) != 0 {
			out |= holding
		}
	}
	switch v := t.Value.(type) {
	case ast.Var:
		return l.variables[rule][v]
	case ast.Ref:
		steps := l.steps(rule, v)
		return steps[len(steps)-1]
	case *ast.Array:
		v.Foreach(held)
	case ast.Object:
		v.Foreach(func(k, v *ast.Term) {
			held(k)
			held(v)
		})
	}
	// What is looked up in a set comes out complete.
	return out
}

// steps are the shapes along a reference: of its first term, and of what it finds
// after each further one.
func (l *literals) steps(rule *ast.Rule, ref ast.Ref) []incomplete {
	out := make([]incomplete, len(ref))
	switch name, ok := ref[0].Value.(ast.Var); {
	case !ok || name.Equal(ast.InputRootDocument.Value):
	case name.Equal(ast.DefaultRootDocument.Value):
		l.dataSteps(ref, out)
	default:
		out[0] = l.variables[rule][name]
		belowEach(out)
	}
	return out
}

// belowEach fills in what lies below the first of steps, one below the other.
func belowEach(steps []incomplete) {
	for i := 1; i < len(steps); i++ {
		steps[i] = steps[i-1].below()
	}
}

// dataSteps fills in the steps of a reference to data: from a rule on.
func (l *literals) dataSteps(ref ast.Ref, out []incomplete) {
	node := l.compiler.RuleTree.Child(ref[0].Value)
	for i := 1; i < len(ref) && node != nil; i++ {
		if _, named := ref[i].Value.(ast.String); !named {
			if l.anyResult(node) {
				// Which of the rules it is shows later.
				for j := i; j < len(ref); j++ {
					out[j] = runtimeSet | runtimeObject | holding
				}
			}
			return
		}
		node = node.Child(ref[i].Value)
		if node != nil && len(node.Values) > 0 {
			out[i] = l.results[ref[:i+1].String()]
			belowEach(out[i:])
			return
		}
	}
}

// anyResult reports whether some rule below node has an incomplete result.
func (l *literals) anyResult(node *ast.TreeNode) bool {
	found := false
	node.DepthFirst(func(n *ast.TreeNode) bool {
		if len(n.Values) > 0 {
			found = found || l.results[n.Values[0].Ref().GroundPrefix().String()] != 0
		}
		return found
	})
	return found
}

func (l *literals) mark(rule *ast.Rule, t *ast.Term, s incomplete) {
	if s == 0 {
		return
	}
	if name, ok := t.Value.(ast.Var); ok {
		known := l.variables[rule]
		if known == nil {
			known = map[ast.Var]incomplete{}
			l.variables[rule] = known
		}
		if known[name]|s != known[name] {
			known[name] |= s
			l.changed = true
		}
		return
	}
	// Of a pattern, each variable may get what the value holds.
	switch v := t.Value.(type) {
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { l.mark(rule, t, s.below()) })
	case ast.Object:
		v.Foreach(func(_, t *ast.Term) { l.mark(rule, t, s.below()) })
	}
}

// flow follows the values of one branch of a rule.
func (l *literals) flow(rule *ast.Rule) {
	for i, s := range l.parameters[rule] {
		l.mark(rule, rule.Head.Args[i], s)
	}
	walkExprs(rule, func(e *ast.Expr) {
		switch terms := e.Terms.(type) {
		case []*ast.Term:
			l.flowCall(rule, e, terms)
		case *ast.Every:
			s := l.incompleteness(rule, terms.Domain).below()
			l.mark(rule, terms.Value, s)
			if terms.Key != nil {
				l.mark(rule, terms.Key, s)
			}
		}
	})
	if rule.Head.RuleKind() == ast.SingleValue && rule.Head.Value != nil && rule.Ref().IsGround() {
		path := rule.Ref().String()
		if s := l.incompleteness(rule, rule.Head.Value); l.results[path]|s != l.results[path] {
			l.results[path] |= s
			l.changed = true
		}
	}
}

func (l *literals) flowCall(rule *ast.Rule, e *ast.Expr, terms []*ast.Term) {
	if e.IsEquality() && len(terms) == 3 {
		l.mark(rule, terms[1], l.incompleteness(rule, terms[2]))
		l.mark(rule, terms[2], l.incompleteness(rule, terms[1]))
		return
	}
	operator, ok := terms[0].Value.(ast.Ref)
	if !ok {
		return
	}
	for _, called := range append([]ast.Ref{operator}, l.replacements[operator.String()]...) {
		for _, other := range l.compiler.GetRulesExact(called) {
			for branch := other; branch != nil; branch = branch.Else {
				l.pass(rule, branch, terms[1:])
			}
		}
		if last := len(terms) - 1; last > 0 {
			l.mark(rule, terms[last], l.results[called.String()])
		}
	}
}

// pass follows the arguments of a call in rule to a branch of the function.
func (l *literals) pass(rule, branch *ast.Rule, arguments []*ast.Term) {
	for i := range branch.Head.Args {
		if i >= len(arguments) {
			return
		}
		s := l.incompleteness(rule, arguments[i])
		if s == 0 {
			continue
		}
		known := l.parameters[branch]
		if known == nil {
			known = make([]incomplete, len(branch.Head.Args))
			l.parameters[branch] = known
		}
		if known[i]|s != known[i] {
			known[i] |= s
			l.changed = true
		}
	}
}

// iterate has the loops of an expression over sets be over their lists. names are the
// variables for these, by those of the sets.
func (of lists) iterate(e *ast.Expr, names map[ast.Var]*ast.Term) {
	if len(of.sets) == 0 {
		return
	}
	var terms []*ast.Term
	switch all := e.Terms.(type) {
	case *ast.Term:
		terms = []*ast.Term{all}
	case []*ast.Term:
		terms = all[1:]
	case *ast.Every:
		if list := names[variableOf(all.Domain)]; list != nil {
			all.Domain = list
		}
	}
	for _, t := range terms {
		if ref, ok := t.Value.(ast.Ref); ok && len(ref) > 1 && of.keys[variableOf(ref[1])] {
			if list := names[variableOf(ref[0])]; list != nil {
				ref[0] = list
			}
		}
	}
}

// boundSet recognises the expression that binds a variable to a set literal.
func boundSet(e *ast.Expr) (ast.Var, ast.Set) {
	terms, ok := e.Terms.([]*ast.Term)
	if !ok || !e.IsEquality() || len(terms) != 3 || e.Negated {
		return "", nil
	}
	for i := range 2 {
		name, isVar := terms[1+i].Value.(ast.Var)
		set, isSet := terms[2-i].Value.(ast.Set)
		if isVar && isSet && ownIncompleteness(terms[2-i]) != 0 {
			return name, set
		}
	}
	return "", nil
}

func variableOf(t *ast.Term) ast.Var {
	name, _ := t.Value.(ast.Var)
	return name
}
