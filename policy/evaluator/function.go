package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// function is one rule, or one function, with all its definitions.
type function struct {
	name   string
	params []int
	result int
	size   int // of its frame
	// replaced is the number of values that are passed to replace functions. They lie
	// between data and the result, the arguments behind the result.
	replaced int
	// prologue and epilogue always run, definitions where the index says that they can hold.
	prologue, epilogue []block
	definitions        [][]block
	index              int // among those of the program, noIndex for none
	// rule is its index in memo.rules, -1 for a function with arguments. Where its calls
	// are remembered, args is its index in memo.functions, else -1.
	rule, args int
	expensive  bool // so that all its calls are remembered, not only the last one
	// collects says that it does no more than add to a set; see lowerCollected.
	collects bool
	// wanted is the variable for the one key that a caller needs, 0 where the function
	// always gives all of its result.
	wanted int
}

// newFunction is one without blocks, which remembers nothing.
func newFunction(name string, result ir.Local) *function {
	return &function{name: name, result: int(result), rule: -1, args: -1, index: noIndex}
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
		return next
	}
	return fn.runCandidates(m, f, m.indexes[fn.index])
}

// runCandidates runs the definitions that can hold, as OPA's index says.
func (fn *function) runCandidates(m *machine, f frame, index *ruleIndex) code {
	result, err := m.candidates(index, f, fn.arguments(f))
	if err != nil {
		return m.fail(err)
	}
	c := next
	for _, rule := range result.Rules {
		at, known := index.definition[rule]
		if !known {
			c = m.fail(errUnknownRule)
			break
		}
		if c = runBlocks(fn.definitions[at], m, f); c != next {
			c = endOfFunction(m, c)
			break
		}
	}
	ast.IndexResultPool.Put(result)
	return c
}

func endOfFunction(m *machine, c code) code {
	switch c {
	case found:
		return next
	case failed:
		return failed
	}
	// No plan jumps out of a function; if one did, we would not know what it means.
	return m.fail(errLeftBlock)
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
	for _, p := range fn.params[plan.PassedOn:] {
		if f[p] == nil {
			m.pop(f, chunk, top)
			return nil, m.fail(errUndefinedOperand)
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
// values that replace functions. The result, which lies between them, has none yet.
func (fn *function) passed(f frame) frame {
	from, to := fn.result+1, len(fn.params)+1
	if fn.replaced > 0 {
		from = plan.PassedOn
	}
	return f[from:to:to]
}

// arguments are those of a call in f.
func (fn *function) arguments(f frame) frame {
	return f[fn.result+1 : len(fn.params)+1]
}

// rebuilt is t with a new object for each that grew, so that their hashes are right.
func rebuilt(t *ast.Term, grown map[*ast.Term]bool) *ast.Term {
	if !grown[t] {
		return t
	}
	object := objectIn(t)
	out := ast.NewObjectWithCapacity(object.Len())
	object.Foreach(func(k, v *ast.Term) { out.Insert(k, rebuilt(v, grown)) })
	return ast.NewTerm(out)
}

// rebuild is result with its parts that grew rebuilt. grown are the objects that grew
// since the function began.
func rebuild(result *ast.Term, grown []*ast.Term) *ast.Term {
	set := make(map[*ast.Term]bool, 8)
	for _, t := range grown {
		set[t] = true
	}
	return rebuilt(result, set)
}
