package footprint

import (
	"cmp"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// activePath is the one function that reads the clock in a way that the engine can follow.
var activePath = ast.MustParseRef("data.lib.time.active")

// Of works out the footprint of the rules and data at entry, an absolute path
// such as data.kubernetes.authorization.allow. The compiler has compiled
// without errors and is only read.
//
// It panics with a *Panic; no compiled rule is known that causes one.
func Of(compiler *ast.Compiler, entry ast.Ref) *Footprint {
	return analyse(compiler, entry).finish()
}

// Panic is the value that Of panics with: it says which rule was being analysed.
type Panic struct {
	// Location is of the rule; nil where it is not known.
	Location *ast.Location
	// Cause is the value of the original panic, and Stack its stack.
	Cause any
	Stack []byte
}

// locate adds to a panic the location of the rule that was being analysed.
func (a *analysis) locate() {
	if cause := recover(); cause != nil {
		panic(&Panic{Location: a.location, Cause: cause, Stack: debug.Stack()})
	}
}

func analyse(compiler *ast.Compiler, entry ast.Ref) *analysis {
	// Which functions a `with` replaces is known only at the end of an analysis. Their
	// arguments are then read whole, by whatever replaces them: it starts again.
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
	// mocked are the references that a reachable `with` replaces, as far as the analysis
	// before this one found them; mocks are those and the ones that this one finds.
	mocked, mocks map[string]bool
	nodes         map[*ast.TreeNode]*instances
	// whole are the nodes at and below which everything has been reached.
	whole map[*ast.TreeNode]bool
	// reached are the reachable rules (true) and their else branches (false).
	reached map[*ast.Rule]bool
	active  *ast.TreeNode
	ttls    map[*ast.Module]time.Duration

	inputChecks, dataChecks presenceChecks
	out                     *Footprint
	// location is of the rule that is being analysed.
	location *ast.Location
}

func (a *analysis) run(entry ast.Ref) {
	defer a.locate()
	var location *ast.Location
	if rules := a.compiler.GetRulesWithPrefix(entry); len(rules) > 0 {
		location = rules[0].Location
	}
	a.read(a.data(entry, nil, location), nil, location)
	// A safety net: what the compiler's own graph of rules holds should be reached
	// already.
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
	a.inputChecks.each(func(path []string, location *ast.Location) {
		if a.out.Input.At(path...).Empty() {
			a.add(place{inputRoot, path}, location)
		}
	})
	a.dataChecks.each(func(path []string, location *ast.Location) {
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
