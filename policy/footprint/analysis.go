package footprint

import (
	"cmp"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// activePath is the one function whose reading of the clock the engine knows
// how to follow.
var activePath = ast.MustParseRef("data.lib.time.active")

// Of works out the footprint of the rules and data at entry, an absolute path
// such as data.kubernetes.authorization.allow. The compiler has compiled
// without errors and is only read.
//
// It panics with a *Panic, which no compiled rule is known to bring about.
func Of(compiler *ast.Compiler, entry ast.Ref) *Footprint {
	return analyse(compiler, entry).finish()
}

// Panic is what Of panics with: it says what was analysed then.
type Panic struct {
	// Location is of the rule; nil where it is not known.
	Location *ast.Location
	// Cause is what the panic was about, and Stack where it was.
	Cause any
	Stack []byte
}

// locate has a panic say where the rules lie that were analysed.
func (a *analysis) locate() {
	if cause := recover(); cause != nil {
		panic(&Panic{Location: a.location, Cause: cause, Stack: debug.Stack()})
	}
}

func analyse(compiler *ast.Compiler, entry ast.Ref) *analysis {
	// Which functions are replaced by `with` shows only on the way; what they
	// are handed is then read whole, by whatever replaces them.
	mocked := map[string]bool{}
	for {
		a := &analysis{
			compiler: compiler,
			mocked:   mocked,
			mocks:    maps.Clone(mocked),
			nodes:    map[*ast.TreeNode]*instances{},
			whole:    map[*ast.TreeNode]bool{},
			reached:  map[*ast.Rule]bool{},
			ttls:     map[*ast.Module]time.Duration{},
			out:      &Footprint{entry: entry},
		}
		a.active = compiler.RuleTree.Find(activePath)
		a.run(entry)
		if len(a.mocks) == len(mocked) {
			return a
		}
		mocked = a.mocks
	}
}

type analysis struct {
	compiler *ast.Compiler
	// mocked are the references that some reachable `with` replaces, as known
	// before; mocks those found now, which include them.
	mocked, mocks map[string]bool
	nodes         map[*ast.TreeNode]*instances
	// whole are the nodes at and below which everything has been reached.
	whole map[*ast.TreeNode]bool
	// reached are the rules and else branches, true for the former.
	reached map[*ast.Rule]bool
	active  *ast.TreeNode
	ttls    map[*ast.Module]time.Duration

	inputGlances, dataGlances glances
	out                       *Footprint
	// location is of the rule that is analysed.
	location *ast.Location
}

func (a *analysis) run(entry ast.Ref) {
	defer a.locate()
	var location *ast.Location
	if rules := a.compiler.GetRulesWithPrefix(entry); len(rules) > 0 {
		location = rules[0].Location
	}
	a.read(a.data(entry, nil, location), nil, location)
	// The compiler's own graph of rules is a safety net: it holds nothing that
	// has not been reached.
	for queue := a.rules(); len(queue) > 0; {
		rule := queue[0]
		queue = queue[1:]
		for branch := rule; branch != nil; branch = branch.Else {
			for dependency := range a.compiler.Graph.Dependencies(branch) {
				next, ok := dependency.(*ast.Rule)
				if _, reached := a.reached[next]; !ok || reached {
					continue
				}
				before := len(a.reached)
				a.subtree(a.compiler.RuleTree.Find(next.Ref().GroundPrefix()), next.Location)
				if len(a.reached) > before {
					queue = a.rules()
				}
			}
		}
	}
}

// rules are the reached rules without else branches.
func (a *analysis) rules() []*ast.Rule {
	out := make([]*ast.Rule, 0, len(a.reached))
	for rule, main := range a.reached {
		if main {
			out = append(out, rule)
		}
	}
	return out
}

func (a *analysis) finish() *Footprint {
	defer a.locate()
	a.inputGlances.each(func(path []string, location *ast.Location) {
		if a.out.Input.At(path...).Empty() {
			a.add(place{inputRoot, path}, location)
		}
	})
	a.dataGlances.each(func(path []string, location *ast.Location) {
		if a.out.Data.At(path...).Empty() {
			a.add(place{dataRoot, path}, location)
		}
	})
	f := a.out
	f.Rules = a.rules()
	f.Empty = emptyPackages(a.compiler, f.Rules)
	slices.SortFunc(f.Rules, compareRules)
	f.Varying = distinct(f.Varying, func(x, y Use) int {
		return cmp.Or(x.Location.Compare(y.Location), cmp.Compare(x.Builtin, y.Builtin))
	})
	f.Widenings = distinct(f.Widenings, func(x, y Widening) int {
		return cmp.Or(x.Location.Compare(y.Location), cmp.Compare(x.Path, y.Path))
	})
	return f
}

// compareRules orders rules by location. Those of one location come from one
// rule with several bodies.
//
// The heads of rules that are not equal in kind are never compared: OPA's
// comparison reads the key of both, which only a rule with contains has.
func compareRules(x, y *ast.Rule) int {
	if c := x.Location.Compare(y.Location); c != 0 {
		return c
	}
	if c := x.Ref().Compare(y.Ref()); c != 0 {
		return c
	}
	if x.Default != y.Default {
		if x.Default {
			return -1
		}
		return 1
	}
	for _, terms := range [][2]*ast.Term{{x.Head.Key, y.Head.Key}, {x.Head.Value, y.Head.Value}} {
		if c := compareTerms(terms[0], terms[1]); c != 0 {
			return c
		}
	}
	return x.Body.Compare(y.Body)
}

// compareTerms orders terms, nil ones first.
func compareTerms(x, y *ast.Term) int {
	switch {
	case x == y:
		return 0
	case x == nil:
		return -1
	case y == nil:
		return 1
	}
	return x.Value.Compare(y.Value)
}

// emptyPackages are the packages without rules that a reference in rules may be to, or
// to something above them; sorted. Where another module has rules in such a package, or
// below it, or a reference goes on below it, it makes no difference that it is there.
func emptyPackages(compiler *ast.Compiler, rules []*ast.Rule) []string {
	empty := map[string]ast.Ref{}
	for _, module := range compiler.Modules {
		path := module.Package.Path
		if len(module.Rules) == 0 && !hasRules(compiler.RuleTree.Find(path)) {
			empty[path.String()] = path
		}
	}
	if len(empty) == 0 {
		return nil
	}
	var out []string
	for _, rule := range rules {
		ast.WalkRefs(rule, func(r ast.Ref) bool {
			if !r.HasPrefix(ast.DefaultRootRef) {
				return false
			}
			known := r.GroundPrefix()
			for name, path := range empty {
				if path.HasPrefix(known) {
					out = append(out, name)
					delete(empty, name)
				}
			}
			return false
		})
	}
	slices.Sort(out)
	return out
}

// hasRules reports whether there are rules at node or below it.
func hasRules(node *ast.TreeNode) bool {
	found := false
	if node != nil {
		node.DepthFirst(func(n *ast.TreeNode) bool {
			found = found || len(n.Values) > 0
			return found
		})
	}
	return found
}

// distinct sorts list and leaves one of each.
func distinct[T any](list []T, compare func(x, y T) int) []T {
	slices.SortFunc(list, compare)
	return slices.CompactFunc(list, func(x, y T) bool { return compare(x, y) == 0 })
}

// unsure makes the footprint everything.
func (a *analysis) unsure(location *ast.Location) {
	a.add(place{root: inputRoot}, location)
	a.add(place{root: dataRoot}, location)
	a.subtree(a.compiler.RuleTree.Child(ast.DefaultRootDocument.Value), location)
}

// add counts what lies at p as read whole.
func (a *analysis) add(p place, location *ast.Location) {
	p = p.settled()
	paths, name := &a.out.Input, "input"
	if p.root == dataRoot {
		paths, name = &a.out.Data, "data"
	}
	paths.Add(p.path...)
	if len(p.path) > 1 || len(p.path) == 1 && (p.root == dataRoot || !wholesale[p.path[0]]) {
		return
	}
	a.out.Widenings = append(a.out.Widenings, Widening{Path: Format(name, p.path), Location: location})
}

// wholesale are the fields of inputs that hold most of what is in them.
var wholesale = map[string]bool{
	"identity":     true,
	"metadata":     true,
	"node":         true,
	"pod":          true,
	"request":      true,
	"spec":         true,
	"state":        true,
	"stateWithout": true,
	"status":       true,
	"victim":       true,
	"victims":      true,
}

// read counts v as read whole. of takes what is parameters of the function at
// hand, and may be nil where there are none.
func (a *analysis) read(v value, of *summary, location *ast.Location) {
	for _, p := range v.places {
		if p = p.settled(); p.root >= 0 {
			of.params[p.root].reads.Add(p.path...)
		} else {
			a.add(p, location)
		}
	}
}

// glance counts v as looked at.
func (a *analysis) glance(v value, of *summary, location *ast.Location) {
	for _, p := range v.places {
		switch p.root {
		case inputRoot:
			a.inputGlances.add(p.path, location)
		case dataRoot:
			a.dataGlances.add(p.path, location)
		default:
			of.params[p.root].glances.add(p.path, location)
		}
	}
}

// follow is what lies at the rest of a reference below v. At the first element
// that is not a constant string it is any item of v, or v is read whole.
func (a *analysis) follow(v value, rest ast.Ref, of *summary, location *ast.Location) value {
	if len(v.places) == 0 {
		return value{}
	}
	path, ground := names(rest)
	v = v.extend(path)
	if !ground && v.hasItems() {
		items := v.extend([]string{Items})
		items.mixed = true
		return a.follow(items, rest[len(path)+1:], of, location)
	}
	if !ground || v.tooLarge() {
		a.read(v, of, location)
		return value{}
	}
	return v
}

// names are the constant strings that ref begins with, and whether they are all of it.
func names(ref ast.Ref) (path []string, all bool) {
	path = make([]string, 0, len(ref))
	for _, element := range ref {
		name, ok := element.Value.(ast.String)
		if !ok {
			return path, false
		}
		path = append(path, string(name))
	}
	return path, true
}

// data is what a reference that begins with `data` gives. It reaches the rules
// that it can refer to.
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

// withoutParameters is v for arguments that have been counted whole.
func withoutParameters(v value) value {
	if !slices.ContainsFunc(v.places, func(p place) bool { return p.root >= 0 }) {
		return v
	}
	return value{places: slices.DeleteFunc(slices.Clone(v.places), func(p place) bool { return p.root >= 0 })}
}

// reach analyses the rules at node, once for each of the constants that they are called
// with. These are by parameter, nil for what is no constant.
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
	complete, definitions := true, 0
	for _, rule := range node.Values {
		complete = complete && rule.Head.RuleKind() == ast.SingleValue && groundHead(rule.Head)
		if !rule.Default {
			definitions++
		}
		for branch := rule; branch != nil; branch = branch.Else {
			a.reached[branch] = branch == rule
		}
	}
	if node == a.active {
		a.out.Timed = true
	}
	branches := 0
	for _, rule := range node.Values {
		for branch := rule; branch != nil; branch = branch.Else {
			branches++
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
	}
	if s.result.tooLarge() || s.reentered {
		a.read(s.result, s, node.Values[0].Location)
		s.result = value{}
	}
	s.result.mixed = len(s.params) > 0 && branches > 1 && len(s.result.places) > 0
	for i := range s.params {
		s.params[i].bound()
	}
	s.busy = false
	return s
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

// use records a builtin where it varies.
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
