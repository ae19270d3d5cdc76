package rewrite

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// check looks for what would show that a literal is no set or object yet.
func (l *literals) check(rule *ast.Rule) {
	c := &literalCheck{literals: l, rule: rule, occurrences: map[ast.Var]int{}, bindings: map[ast.Var]int{}}
	one := *rule
	one.Else = nil
	ast.WalkVars(&one, func(v ast.Var) bool {
		c.occurrences[v]++
		return false
	})
	walkExprs(rule, func(e *ast.Expr) {
		if terms, ok := e.Terms.([]*ast.Term); ok {
			for _, t := range terms[1:] {
				if name, ok := t.Value.(ast.Var); ok && e.IsEquality() {
					c.bindings[name]++
				}
			}
		}
	})
	known := ast.NewVarSet()
	for _, arg := range rule.Head.Args {
		ast.WalkVars(arg, func(v ast.Var) bool {
			known.Add(v)
			return false
		})
	}
	// Where the rule has one constant value, its first solution is the last.
	ordered := rule.Head.RuleKind() == ast.SingleValue && (rule.Head.Value == nil || ast.IsConstant(rule.Head.Value.Value))
	c.body(rule.Body, known, ordered)
	for _, t := range []*ast.Term{rule.Head.Key, rule.Head.Value} {
		if t != nil {
			c.part(t, known)
		}
	}
}

// literalCheck is the check of one branch of a rule. known are the variables that
// have a value before an expression, ordered says that the order of solutions shows.
type literalCheck struct {
	*literals
	rule        *ast.Rule
	occurrences map[ast.Var]int
	bindings    map[ast.Var]int // equations that a variable is one side of
	sets        []ast.Var       // that can be iterated as lists
}

func (c *literalCheck) refuse(at *ast.Location, why string) {
	if c.err == nil {
		c.err = fmt.Errorf("%v: %s", at, why)
	}
}

func (c *literalCheck) body(body ast.Body, outer ast.VarSet, ordered bool) {
	known := outer.Copy()
	for _, e := range body {
		c.expr(e, known, ordered)
		if name, set := boundSet(e); set != nil && !known.Contains(name) && !slices.ContainsFunc(set.Slice(), c.unfinished) {
			c.sets = append(c.sets, name)
		}
		known.Update(e.Vars(ast.VarVisitorParams{SkipClosures: true, SkipWithTarget: true, SkipRefCallHead: true}))
	}
}

// unfinished reports whether an element of a set is another one in a list.
func (c *literalCheck) unfinished(t *ast.Term) bool {
	return c.incompleteness(c.rule, t) != 0 || ast.ContainsRefs(t)
}

func (c *literalCheck) expr(e *ast.Expr, known ast.VarSet, ordered bool) {
	for _, w := range e.With {
		c.term(w.Value, known, ordered)
	}
	switch terms := e.Terms.(type) {
	case *ast.Term:
		c.term(terms, known, ordered || e.Negated)
	case []*ast.Term:
		c.call(e, terms, known)
		for _, t := range terms[1:] {
			c.term(t, known, ordered || e.Negated)
		}
	case *ast.Every:
		c.every(terms, known)
	case *ast.Not:
		c.body(terms.Body, known, true)
	case *ast.LogicalAnd:
		c.body(terms.Lhs, known, true)
		c.body(terms.Rhs, known, true)
	case *ast.LogicalOr:
		c.body(terms.Lhs, known, true)
		c.body(terms.Rhs, known, true)
	}
}

// call checks what a literal is unified with: an object is compared by the number of
// its keys as they are written.
func (c *literalCheck) call(e *ast.Expr, terms []*ast.Term, known ast.VarSet) {
	isNew := func(t *ast.Term) bool {
		name, ok := t.Value.(ast.Var)
		return ok && !known.Contains(name)
	}
	if e.IsEquality() && len(terms) == 3 {
		if (c.incompleteness(c.rule, terms[1]) | c.incompleteness(c.rule, terms[2])).objects() && !isNew(terms[1]) && !isNew(terms[2]) {
			c.refuse(e.Location, "an object whose keys are known at run time is unified")
		}
		return
	}
	operator, ok := terms[0].Value.(ast.Ref)
	if !ok {
		return
	}
	for _, called := range append([]ast.Ref{operator}, c.replacements[operator.String()]...) {
		if slices.ContainsFunc(c.compiler.GetRulesExact(called), func(rule *ast.Rule) bool { return c.unifiesParameter(rule, terms[1:]) }) {
			c.refuse(e.Location, "an object whose keys are known at run time is unified with a parameter")
		}
		if last := terms[len(terms)-1]; c.results[called.String()].objects() && !isNew(last) {
			c.refuse(e.Location, "an object whose keys are known at run time is unified with a result")
		}
	}
}

// unifiesParameter reports whether a branch of a function has a pattern for one of the
// arguments that is such an object.
func (c *literalCheck) unifiesParameter(rule *ast.Rule, arguments []*ast.Term) bool {
	for branch := rule; branch != nil; branch = branch.Else {
		for i, parameter := range branch.Head.Args {
			_, isVar := parameter.Value.(ast.Var)
			if !isVar && i < len(arguments) && c.incompleteness(c.rule, arguments[i]).objects() {
				return true
			}
		}
	}
	return false
}

func (c *literalCheck) every(every *ast.Every, known ast.VarSet) {
	s := c.incompleteness(c.rule, every.Domain)
	if s&runtimeObject != 0 || s&runtimeSet != 0 && !c.list(every.Domain, every.Key) {
		c.refuse(every.Location, "every over a literal whose elements are known at run time")
	}
	c.part(every.Domain, known)
	inside := known.Copy()
	for _, t := range []*ast.Term{every.Key, every.Value} {
		if t != nil {
			ast.WalkVars(t, func(v ast.Var) bool {
				inside.Add(v)
				return false
			})
		}
	}
	c.body(every.Body, inside, true)
}

func (c *literalCheck) term(t *ast.Term, known ast.VarSet, ordered bool) {
	switch v := t.Value.(type) {
	case ast.Ref:
		c.ref(t, v, known, ordered)
		for _, element := range v[1:] {
			c.part(element, known)
		}
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { c.part(t, known) })
	case ast.Set:
		v.Foreach(func(t *ast.Term) { c.part(t, known) })
	case ast.Object:
		v.Foreach(func(k, v *ast.Term) {
			c.part(k, known)
			c.part(v, known)
		})
	case *ast.ArrayComprehension:
		c.closure(v.Body, known, true, v.Term)
	case *ast.SetComprehension:
		c.closure(v.Body, known, false, v.Term)
	case *ast.ObjectComprehension:
		c.closure(v.Body, known, false, v.Key, v.Value)
	}
}

// part is a term of a literal: a loop in it is none that iterate knows.
func (c *literalCheck) part(t *ast.Term, known ast.VarSet) {
	if ref, ok := t.Value.(ast.Ref); ok {
		for _, s := range c.steps(c.rule, ref)[:len(ref)-1] {
			if s != 0 {
				c.refuse(t.Location, "a reference to a literal in a literal")
			}
		}
	}
	c.term(t, known, false)
}

func (c *literalCheck) closure(body ast.Body, known ast.VarSet, ordered bool, heads ...*ast.Term) {
	c.body(body, known, ordered)
	inside := known.Copy()
	inside.Update(body.Vars(ast.VarVisitorParams{SkipClosures: true, SkipWithTarget: true}))
	for _, head := range heads {
		c.part(head, inside)
	}
}

// ref checks a reference into a literal.
func (c *literalCheck) ref(t *ast.Term, ref ast.Ref, known ast.VarSet, ordered bool) {
	for i, s := range c.steps(c.rule, ref)[:len(ref)-1] {
		key := ref[i+1]
		if s&runtimeObject != 0 {
			// Keys that turn out equal are two all the same, the first of which counts.
			c.refuse(t.Location, "a reference into an object whose keys are known at run time")
		}
		if s&runtimeSet == 0 || !ordered || known.Contains(variableOf(key)) || ast.IsScalar(key.Value) {
			continue
		}
		if i > 0 || !c.list(ref[0], key) {
			c.refuse(t.Location, "a loop over a set whose elements are known at run time")
		}
	}
}

// list records that the elements of a set have to be iterated as a list, if that can
// be done: the variable stands for one literal, and the key, which is the element
// again, is of no further use.
func (c *literalCheck) list(set, key *ast.Term) bool {
	name := variableOf(set)
	if name == "" || !slices.Contains(c.sets, name) || c.bindings[name] != 1 || !c.unused(key) {
		return false
	}
	of := c.lists[c.rule]
	if of.sets == nil {
		of = lists{sets: map[ast.Var]bool{}, keys: map[ast.Var]bool{}}
		c.lists[c.rule] = of
	}
	of.sets[name] = true
	if key != nil {
		of.keys[variableOf(key)] = true
	}
	return true
}

func (c *literalCheck) unused(key *ast.Term) bool {
	return key == nil || variableOf(key) != "" && c.occurrences[variableOf(key)] == 1
}

// runtimeLiterals finds the sets that have to be iterated as lists. An error means
// that the rules are the interpreter's.
func runtimeLiterals(compiler *ast.Compiler, rules []*ast.Rule) (map[*ast.Rule]lists, error) {
	if !slices.ContainsFunc(rules, hasRuntimeLiteral) {
		return nil, nil
	}
	l := &literals{
		compiler: compiler, rules: rules,
		variables: map[*ast.Rule]map[ast.Var]incomplete{}, parameters: map[*ast.Rule][]incomplete{}, results: map[string]incomplete{},
		replacements: replacements(compiler, rules), lists: map[*ast.Rule]lists{},
	}
	for l.changed = true; l.changed; {
		l.changed = false
		for _, rule := range rules {
			l.flow(rule)
		}
	}
	for _, rule := range rules {
		l.check(rule)
	}
	return l.lists, l.err
}
