package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

// program is a plan turned into Go functions. It does not change and is shared
// by all evaluations. It holds on to nothing of the compiler.
type program struct {
	main         *function
	capabilities *ast.Capabilities
	// dynamic finds rules by the path in a CallDynamicStmt.
	dynamic *pathNode
	// lengthy says that some builtin function that is called may take long, and does
	// not end when the time is over.
	lengthy bool
	// wholeInput says that input is read in other ways than by paths of names.
	wholeInput bool
	// inputPaths are those of input among the paths, by their last name.
	inputPaths map[string][]inputPath
	// indexes are the rules whose index is asked.
	indexes []ast.Ref
	// rules, functions, paths and groups count what a memo remembers.
	rules, functions, paths, groups int
}

// inputPath is a path of names from the input on, and its place in memo.paths.
type inputPath struct {
	names []string
	at    int
}

// code is how a statement ended: next, or how many blocks to leave, or one of
// the larger codes that end a function.
type code int

const (
	next code = 0
	// undefined leaves the innermost block.
	undefined code = 1
	// found ends a function whose result can't change any more.
	found code = 1 << 29
	// failed ends the evaluation; the machine holds the error.
	failed code = 1 << 30
)

// statement does one thing to the variables of a function call.
type statement func(m *machine, f frame) code

// block is statements that are run until one of them is not defined.
type block []statement

func (b block) run(m *machine, f frame) code {
	for _, s := range b {
		if c := s(m, f); c != next {
			return c
		}
	}
	return next
}

// function is one rule, or one function, with all its definitions.
type function struct {
	name   string
	params []int
	result int
	size   int // of its frame
	// replaced is how many values are passed that stand in the place of functions.
	// They lie between data and the result, the arguments behind the result.
	replaced int
	// prologue and epilogue run always, definitions as the index says.
	prologue, epilogue []block
	definitions        [][]block
	index              int // among those of the program, noIndex for none
	// rule is its place in memo.rules, -1 for a function with arguments. Where it
	// is worth remembering their calls, args is the place in memo.functions, else -1.
	rule, args int
	expensive  bool // so that all its calls are remembered, not only the last one
	// collects says that it does no more than add to a set; see collect.
	collects bool
	// wanted is the variable for the one key that is asked for, 0 where a function
	// always gives all of its result.
	wanted int
}

// pathNode is a step of the tree that CallDynamicStmt walks.
type pathNode struct {
	children map[string]*pathNode
	function *function
}

func (n *pathNode) add(path []string, f *function) {
	for _, name := range path {
		child := n.children[name]
		if child == nil {
			child = &pathNode{children: map[string]*pathNode{}}
			n.children[name] = child
		}
		n = child
	}
	n.function = f
}

// run executes the function on a frame that holds its arguments. The result is
// left in the frame; the code is next or failed.
func (fn *function) run(m *machine, f frame) code {
	if fn.collects {
		before := m.collecting
		m.collecting = len(m.collected)
		c := fn.runDefinitions(m, f)
		if c == next && f[fn.result] == nil {
			f[fn.result] = m.collectedSet()
		}
		m.collecting = before
		return c
	}
	if c := runBlocks(fn.prologue, m, f); c != next {
		return endOfFunction(m, c)
	}
	if c := fn.runDefinitions(m, f); c != next {
		return c
	}
	if c := runBlocks(fn.epilogue, m, f); c != next {
		return endOfFunction(m, c)
	}
	return next
}

func (fn *function) runDefinitions(m *machine, f frame) code {
	if fn.index == noIndex {
		for _, d := range fn.definitions {
			if c := runBlocks(d, m, f); c != next {
				return endOfFunction(m, c)
			}
		}
	} else if c := m.indexes[fn.index].run(m, f, fn); c != next {
		return endOfFunction(m, c)
	}
	return next
}

func endOfFunction(m *machine, c code) code {
	switch c {
	case found:
		return next
	case failed:
		return failed
	}
	// No plan jumps out of a function; if one did, we would not know what it means.
	return m.fail(errUnplanned)
}

// runBlocks runs one block after the other, each until it is undefined.
func runBlocks(blocks []block, m *machine, f frame) code {
	for _, b := range blocks {
		if c := b.run(m, f); c > undefined {
			if c < found {
				c--
			}
			return c
		}
	}
	return next
}

// call runs fn with arguments that are in the caller's frame or constant.
func (fn *function) call(m *machine, caller frame, args []operand) (*ast.Term, code) {
	if fn.rule >= 0 {
		if known := &m.memo.rules[fn.rule]; known.known { // in full
			return known.value, next
		}
	}
	if c := m.step(); c != next {
		return nil, c
	}
	f, chunk, top := m.push(fn.size)
	for i, p := range fn.params {
		f[p] = args[i].in(caller)
	}
	for _, p := range fn.params[passedOn:] {
		if f[p] == nil {
			m.pop(f, chunk, top)
			return nil, m.fail(errUnplanned)
		}
	}
	passed := fn.passed(f)
	var key int
	if fn.args >= 0 {
		result, k, ok := m.memo.functions[fn.args].find(passed, fn.expensive)
		if ok {
			m.pop(f, chunk, top)
			return result, next
		}
		key = k
	}
	grown := len(m.grown)
	c := fn.run(m, f)
	result := f[fn.result]
	if len(m.grown) > grown {
		result = rebuild(result, m.grown[grown:])
		m.grown = m.grown[:grown]
	}
	if c == next {
		if fn.rule >= 0 {
			m.memo.rules[fn.rule] = remembered{known: true, value: result}
		} else if fn.args >= 0 {
			f[fn.result] = nil // it lies among what is passed
			m.memo.functions[fn.args].remember(passed, key, result, fn.expensive)
		}
	}
	m.pop(f, chunk, top)
	return result, c
}

// passed is what the result depends on beside input and data: the arguments, and the
// values that stand in the place of functions. The result, which lies between them,
// has none yet.
func (fn *function) passed(f frame) frame {
	from, to := fn.result+1, len(fn.params)+1
	if fn.replaced > 0 {
		from = passedOn
	}
	return f[from:to:to]
}

// arguments are those of a call in f.
func (fn *function) arguments(f frame) frame {
	return f[fn.result+1 : len(fn.params)+1]
}

// operand is a variable, or a constant when value is set.
type operand struct {
	slot  int
	value *ast.Term
}

// in is the operand's term in f, nil when it is undefined.
func (o operand) in(f frame) *ast.Term {
	if o.value != nil {
		return o.value
	}
	return f[o.slot]
}
