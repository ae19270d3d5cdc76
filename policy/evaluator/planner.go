package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// planner is what is known of the plan of one entry rule. It does not change once it is
// complete: what is made of the plan goes into a builder, what holds at one place in the
// plan into a scope.
type planner struct {
	policy   *ir.Policy
	compiler *ast.Compiler
	strings  []*ast.Term
	// declared are the builtin functions that the plan calls.
	declared map[string]bool
	planned  map[string]*plannedFunction
	// grouped are the comprehensions that OPA's interpreter groups.
	grouped map[plan.Place]bool
	// literals are the constants of the blocks of functions, as the pass for them found them.
	literals map[*ir.Block]map[ir.Local]*ast.Term
	passes   []pass
	forms    []form
}

// plannedFunction is a function of the plan, with what it becomes.
type plannedFunction struct {
	*ir.Func
	layout   plan.Layout
	function *function
	calls    int // statements that call it
}

// builder holds the program while it is being made.
type builder struct {
	program *program
	// paths are the indexes of paths of input and data in memo.paths.
	paths map[string]int
	// groups are the comprehensions that the program groups.
	groups map[plan.Place]bool
	// streams are the rules that send their elements to a sink, by their names.
	streams map[string]*function
}

// form lowers the statements that stmts begins with, if it knows them: used is how many
// it took, 0 for none. The statement is nil where nothing is left to do.
type form func(sc *scope, stmts []ir.Stmt) (s statement, used int)

// pass is one optimisation. Without it, a program gives the same results. Of its
// functions, which are called in this order, most passes have one or two.
type pass struct {
	name, does string
	// rewrite changes the plan before anything is made of it.
	rewrite func(p *planner)
	// declare decides how the functions of the plan are run.
	declare func(p *planner, b *builder)
	// begin works out what holds in one of a function's own blocks, and may give a
	// statement to begin with.
	begin func(sc *scope, b *ir.Block) statement
	// lower is a form.
	lower form
	// bound gives what follows a statement that sets v, nil for nothing.
	bound func(sc *scope, v ir.Local) statement
}

// scope is a place in the plan: a block, and the function that it belongs to. What
// changes from one block to those in it are fields of its own; the rest is shared.
type scope struct {
	*planner
	*builder
	*functionScope
	*blockScope

	// key is what the definition's element lies under, when it is a variable that no
	// block on the way to here decides about; -1 for none.
	key ir.Local
	// group is the comprehension around this place that is grouped, nil for none.
	group *grouping
	// depth counts the blocks around the current statement.
	depth int
	// every is the innermost loop of an `every` around this place, nil for none.
	every *everyLoop
}

// functionScope is the function that is lowered.
type functionScope struct {
	function *function
	// value is where a definition puts its value, when the first of them ends
	// the function.
	value     ir.Local
	earlyExit bool
	// single says that the function has one value, which its definitions agree on.
	single bool
	// sending says that elements of the result are sent to a sink instead.
	sending bool
	// err is the first thing that could not be lowered.
	err error
}

// blockScope is one of a function's own blocks. Each numbers its variables by itself.
type blockScope struct {
	plan.Facts
	constants map[ir.Local]*ast.Term
	// free are the variables that begin with a constant and have other values later.
	free    map[ir.Local]bool
	aliases map[ir.Local]ir.Local
}

// everyLoop is the loop of an `every`. Its condition is set once, to true, and then the
// block at this depth is left.
type everyLoop struct {
	condition ir.Local
	depth     int
	outer     *everyLoop
}

// grouping is how one comprehension is grouped.
type grouping struct {
	site   int // its index in memo.groups
	target ir.Local
	// keys are the outer variables that it compares with, in the order in which they get
	// values.
	keys []ir.Local
	// binds are the comparisons that set a key, with what they set it to.
	binds map[*ir.EqualStmt]binding
	// add is the statement that adds to the result.
	add ir.Stmt
}

// binding is what a key of a grouping is set to.
type binding struct {
	key   ir.Local
	value ir.Operand
}

// firstOf is the first of forms that knows what statements begin with.
func firstOf(forms ...form) form {
	return func(sc *scope, stmts []ir.Stmt) (s statement, used int) {
		for _, f := range forms {
			if s, used := f(sc, stmts); used > 0 {
				return s, used
			}
		}
		return nil, 0
	}
}
