package footprint

import (
	"iter"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// data gives the value of a reference that begins with `data`. It reaches the rules
// that the reference can be to.
func (a *analysis) data(ref ast.Ref, of *summary, location *ast.Location) value {
	node := a.compiler.RuleTree.Child(ast.DefaultRootDocument.Value)
	for i := 1; node != nil; i++ {
		name, ok := ast.String(""), i < len(ref)
		if ok {
			name, ok = ref[i].Value.(ast.String)
		}
		if !ok || node.External != nil {
			// Here the reference ends above rules, or goes on with a variable:
			// all of them, and the base documents among them.
			a.subtree(node, location)
			path, _ := names(ref[1:i])
			a.add(place{dataRoot, path}, location)
			return value{}
		}
		node = node.Child(name)
		if node == nil || len(node.Values) == 0 {
			continue
		}
		// The compiler refuses base documents where rules are.
		if len(node.Children) > 0 {
			a.subtree(node, location)
			return value{}
		}
		// A function named here replaces another, whose arguments count whole.
		return a.follow(withoutParameters(a.reach(node, nil).result), ref[i+1:], of, location)
	}
	// No rule is on the way or below: a base document.
	return a.follow(placeAt(dataRoot), ref[1:], of, location)
}

// subtree reaches every rule at and below node, with all of its value.
func (a *analysis) subtree(node *ast.TreeNode, location *ast.Location) {
	if node == nil || a.whole[node] {
		return
	}
	a.whole[node] = true
	if len(node.Values) > 0 {
		a.read(withoutParameters(a.reach(node, nil).result), nil, location)
	}
	for _, child := range node.Children {
		a.subtree(child, location)
	}
}

// withoutParameters is v without the places in parameters, whose arguments have been
// counted whole.
func withoutParameters(v value) value {
	if !slices.ContainsFunc(v.places, func(p place) bool { return p.root >= 0 }) {
		return v
	}
	return value{places: slices.DeleteFunc(slices.Clone(v.places), func(p place) bool { return p.root >= 0 })}
}

// reach analyses the rules at node, once for each of the constants that they are called
// with. constants are by parameter, nil for an argument that is no constant.
func (a *analysis) reach(node *ast.TreeNode, constants []*ast.Term) *summary {
	of := a.nodes[node]
	if of == nil {
		of = newInstances(node)
		a.nodes[node] = of
	}
	key, constants := of.choose(constants)
	if s, ok := of.known[key]; ok {
		if s.busy {
			s.reentered = true
			return &summary{params: wholeParameters(len(s.params))}
		}
		return s
	}
	s := &summary{params: make([]parameter, len(node.Values[0].Head.Args)), busy: true}
	of.known[key] = s
	for rule, branch := range branches(node) {
		a.reached[branch] = branch == rule
	}
	if node == a.active {
		a.out.Timed = true
	}
	a.summarize(s, node, constants)
	s.busy = false
	return s
}

// summarize fills s from the rules at node.
func (a *analysis) summarize(s *summary, node *ast.TreeNode, constants []*ast.Term) {
	complete, definitions := true, 0
	for _, rule := range node.Values {
		complete = complete && rule.Head.RuleKind() == ast.SingleValue && groundHead(rule.Head)
		if !rule.Default {
			definitions++
		}
	}
	count := 0
	for rule, branch := range branches(node) {
		count++
		a.location = branch.Location
		b := &body{a: a, of: s, rule: rule, active: node == a.active, constants: constants, classes: map[ast.Var]*class{}}
		v := b.analyse(branch, complete)
		if definitions > 1 || v.mixed {
			// Definitions that both hold are compared.
			a.read(v, s, branch.Location)
		} else {
			s.result = s.result.merge(v)
		}
	}
	if s.result.tooLarge() || s.reentered {
		a.read(s.result, s, node.Values[0].Location)
		s.result = value{}
	}
	s.result.mixed = len(s.params) > 0 && count > 1 && len(s.result.places) > 0
	for i := range s.params {
		s.params[i].bound()
	}
}

// branches are the rules at node, each with itself and with each of its else branches.
func branches(node *ast.TreeNode) iter.Seq2[*ast.Rule, *ast.Rule] {
	return func(yield func(rule, branch *ast.Rule) bool) {
		for _, rule := range node.Values {
			for branch := rule; branch != nil; branch = branch.Else {
				if !yield(rule, branch) {
					return
				}
			}
		}
	}
}

// arguments are the parameters in the head of branch: an else branch has those of its rule.
func arguments(rule, branch *ast.Rule) ast.Args {
	if len(branch.Head.Args) == 0 {
		return rule.Head.Args
	}
	return branch.Head.Args
}

func wholeParameters(n int) []parameter {
	out := make([]parameter, n)
	for i := range out {
		out[i].reads.Whole = true
	}
	return out
}

func groundHead(head *ast.Head) bool {
	for _, element := range head.Ref()[1:] {
		if _, ok := element.Value.(ast.String); !ok {
			return false
		}
	}
	return true
}

// function finds the rules of the function that op names, nil for a builtin.
func (a *analysis) function(op ast.Ref) *ast.TreeNode {
	if !op.HasPrefix(ast.DefaultRootRef) {
		return nil
	}
	node := a.compiler.RuleTree.Find(op)
	if node == nil || len(node.Values) == 0 {
		return nil
	}
	return node
}

// callee is the summary of the function at node when it is called with terms.
func (a *analysis) callee(node *ast.TreeNode, terms []*ast.Term) *summary {
	arity := len(node.Values[0].Head.Args)
	var constants []*ast.Term
	for i := 0; i < arity && i+1 < len(terms); i++ {
		if _, ok := terms[i+1].Value.(ast.String); ok {
			if constants == nil {
				constants = make([]*ast.Term, arity)
			}
			constants[i] = terms[i+1]
		}
	}
	return a.reach(node, constants)
}

// use records a use of the builtin called name if it is one that varies.
func (a *analysis) use(name string, rule *ast.Rule, location *ast.Location) {
	if !varies(name) {
		return
	}
	ttl, ok := a.ttls[rule.Module]
	if !ok && rule.Module != nil {
		ttl = packageTTL(a.compiler.GetAnnotationSet(), rule.Module.Package)
		a.ttls[rule.Module] = ttl
	}
	a.out.Varying = append(a.out.Varying, Use{Builtin: name, Location: location, TTL: ttl})
}
