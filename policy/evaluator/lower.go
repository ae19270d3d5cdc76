package evaluator

import (
	"errors"
	"fmt"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// lowering turns the plan of one entry rule into a program.
type lowering struct {
	policy    *ir.Policy
	compiler  *ast.Compiler
	program   *program
	strings   []*ast.Term
	functions map[string]*function
	builtins  map[string]*ir.BuiltinFunc
	layouts   map[string]layout
	planned   map[string]*ir.Func
	streams   map[string]*function
	sites     map[string]int // that call a function
	paths     map[string]int
	costs     map[string]cost
	// known are the constants of the blocks of functions.
	known map[*ir.Block]map[ir.Local]*ast.Term
	// indexed are the comprehensions that have to be grouped, grouped those that are.
	indexed, grouped map[place]bool

	// Of the function being lowered:
	function  *function
	constants map[ir.Local]*ast.Term
	base      map[ir.Local]bool
	aliases   map[ir.Local]ir.Local
	// open are the variables that hold a part of data and from which references go
	// on: where a part of that is replaced, it need not be complete.
	open map[ir.Local]bool
	// partial are the variables that hold what partial rules give.
	partial map[ir.Local]bool
	// writes and uses count the statements of the block that set or read a variable.
	writes, uses map[ir.Local]int
	// value is where a definition puts its value, when the first of them ends
	// the function.
	value     ir.Local
	earlyExit bool
	// single says that the function has one value, which its definitions agree on.
	single bool
	// sending says that elements of the result are sent to a sink instead.
	sending bool
	// groups is the comprehension being lowered, if it is grouped, and site its
	// place in memo.groups.
	groups *grouping
	site   int
	// key is what the definition's element lies under, when it is a variable.
	key ir.Local
	// depth counts the blocks around the current statement.
	depth int
	// conditions are set once, to true, and then the block at their depth is left.
	conditions map[ir.Local]int
	err        error
}

// lower makes the program for a plan.
func lower(policy *ir.Policy, compiler *ast.Compiler, indexed map[place]bool, names Names) (*program, error) {
	l := &lowering{
		policy:    policy,
		compiler:  compiler,
		program:   &program{capabilities: compiler.Capabilities(), dynamic: &pathNode{children: map[string]*pathNode{}}, inputPaths: map[string][]inputPath{}},
		functions: map[string]*function{},
		builtins:  map[string]*ir.BuiltinFunc{},
		layouts:   map[string]layout{},
		planned:   map[string]*ir.Func{},
		streams:   map[string]*function{},
		sites:     map[string]int{},
		paths:     map[string]int{},
		costs:     costs(policy.Funcs.Funcs),
		indexed:   indexed,
		grouped:   map[place]bool{},
		known:     map[*ir.Block]map[ir.Local]*ast.Term{},
	}
	for _, s := range policy.Static.Strings {
		term := names[s.Value]
		if term == nil {
			term = ast.StringTerm(s.Value)
		}
		l.strings = append(l.strings, term)
	}
	for _, b := range policy.Static.BuiltinFuncs {
		l.builtins[b.Name] = b
	}
	for _, fn := range policy.Funcs.Funcs {
		maps.Copy(l.known, trim(fn, l.strings))
	}
	// Functions call each other by name, so all are there before one is filled in.
	for _, fn := range policy.Funcs.Funcs {
		if err := l.declare(fn); err != nil {
			return nil, err
		}
	}
	for _, fn := range policy.Funcs.Funcs {
		f := l.functions[fn.Name]
		l.planned[fn.Name] = fn
		walk(fn.Blocks, func(s ir.Stmt) {
			if call, ok := s.(*ir.CallStmt); ok {
				l.sites[call.Func]++
			}
		})
		l.layouts[fn.Name] = l.layout(fn)
		if keyed(fn, l.layouts[fn.Name]) {
			f.wanted = frameSize(fn.Blocks, f)
		}
		f.collects = collects(fn, l.layouts[fn.Name])
	}
	for _, fn := range policy.Funcs.Funcs {
		if err := l.fill(fn); err != nil {
			return nil, fmt.Errorf("%s: %w", fn.Name, err)
		}
	}
	if n := len(policy.Plans.Plans); n != 1 {
		return nil, fmt.Errorf("%d plans, want one", n)
	}
	l.program.wholeInput = l.program.wholeInput || l.readsWholeInput()
	main, err := l.plan(policy.Plans.Plans[0])
	if err != nil {
		return nil, err
	}
	for at, has := range indexed {
		if has && !l.grouped[at] {
			return nil, fmt.Errorf("%s:%d: a comprehension that OPA's interpreter groups once and looks up then", at.file, at.row)
		}
	}
	l.program.main = main
	return l.program, nil
}

func (l *lowering) declare(fn *ir.Func) error {
	f := &function{name: fn.Name, result: int(fn.Return), rule: -1, args: -1, index: noIndex}
	if len(fn.Params) < passedOn || fn.Params[0] != ir.Input || fn.Params[1] != ir.Data {
		return fmt.Errorf("%s: unexpected parameters %v", fn.Name, fn.Params)
	}
	// The values that replace functions are passed before the result, the arguments
	// after it.
	f.replaced = f.result - passedOn
	for i, p := range fn.Params {
		want := i
		if i >= f.result {
			want++
		}
		if int(p) != want {
			return fmt.Errorf("%s: unexpected parameters %v", fn.Name, fn.Params)
		}
		f.params = append(f.params, int(p))
	}
	switch {
	case f.replaced < 0 || len(fn.Params) < f.result:
		return fmt.Errorf("%s: unexpected parameters %v", fn.Name, fn.Params)
	case f.replaced > 0:
		// It is remembered for the values that were passed last.
		f.args = l.program.functions
		l.program.functions++
	case len(fn.Params) == passedOn:
		f.rule = l.program.rules
		l.program.rules++
	case l.costs[fn.Name] != cheap:
		f.expensive = l.costs[fn.Name] == expensive
		f.args = l.program.functions
		l.program.functions++
	}
	if _, twice := l.functions[fn.Name]; twice {
		return fmt.Errorf("%s is planned twice", fn.Name)
	}
	l.functions[fn.Name] = f
	if len(fn.Path) > 0 {
		l.program.dynamic.add(fn.Path, f)
	}
	return nil
}

func (l *lowering) begin(f *function, blocks []*ir.Block) {
	l.function = f
	l.conditions = map[ir.Local]int{}
	l.earlyExit, l.value, l.single, l.sending = false, -1, false, false
	l.depth, l.err = 0, nil
	l.groups = nil
	f.size = max(frameSize(blocks, f), f.wanted+1)
}

func (l *lowering) fill(fn *ir.Func) error {
	if changesForeign(fn) {
		return errors.New("rules that fill one object at different depths")
	}
	f := l.functions[fn.Name]
	l.begin(f, fn.Blocks)
	layout := l.layouts[fn.Name]
	l.earlyExit, l.value, l.single = layout.earlyExit, layout.value, layout.single
	f.prologue = l.outermost(layout.prologue)
	for _, d := range layout.definitions {
		f.definitions = append(f.definitions, l.outermost(d))
	}
	f.epilogue = l.outermost(layout.epilogue)
	f.index = layout.index
	return l.err
}

// plan lowers the query, resultVar = ref.
func (l *lowering) plan(plan *ir.Plan) (*function, error) {
	f := &function{name: plan.Name, params: []int{int(ir.Input), int(ir.Data)}, result: int(ir.Unused), rule: -1, args: -1, index: noIndex}
	l.begin(f, plan.Blocks)
	f.epilogue = l.outermost(plan.Blocks)
	return f, l.err
}

// outermost lowers blocks of a function. Each numbers its variables anew.
func (l *lowering) outermost(blocks []*ir.Block) []block {
	out := make([]block, 0, len(blocks))
	for _, b := range blocks {
		l.writes, l.uses = count(b)
		l.aliases = l.aliasesIn(b)
		l.constants = maps.Clone(l.known[b])
		if l.constants == nil {
			l.constants = constants(b, ir.Local(l.function.result), l.strings)
		}
		l.freeKeys(b)
		l.base = baseDocuments(b)
		l.open = l.openIn(b)
		l.partial = l.partialDocuments(b)
		if wholeData(b) {
			l.refuse("data is read as a whole")
		}
		atOnce := l.filter(b)
		lowered := l.block(b)
		if atOnce != nil {
			lowered = append(block{atOnce}, lowered...)
		}
		out = append(out, lowered)
	}
	return out
}

func (l *lowering) blocks(blocks []*ir.Block) []block {
	out := make([]block, 0, len(blocks))
	for _, b := range blocks {
		out = append(out, l.block(b))
	}
	return out
}

// apart lowers blocks whose end decides about more than one element.
func (l *lowering) apart(lower func()) {
	key := l.key
	l.key = -1
	lower()
	l.key = key
}

// block lowers b, which is one more block around its statements.
func (l *lowering) block(b *ir.Block) block {
	l.depth++
	defer func() { l.depth-- }()
	out := make(block, 0, len(b.Stmts))
	for i := 0; i < len(b.Stmts); i++ {
		if s, used := l.combined(b.Stmts[i:]); used > 0 {
			if s != nil {
				out = append(out, s)
			}
			i += used - 1
			if s := l.afterKey(b.Stmts[i]); s != nil {
				out = append(out, s)
			}
			continue
		}
		if s := l.statement(b.Stmts[i]); s != nil {
			out = append(out, s)
		}
		if s := l.afterKey(b.Stmts[i]); s != nil {
			out = append(out, s)
		}
	}
	return out
}

func (l *lowering) refuse(format string, args ...any) statement {
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
	return nil
}

var errUndefinedString = errors.New("a string that the plan does not have")

func (l *lowering) string(index int) *ast.Term {
	if index < 0 || index >= len(l.strings) {
		if l.err == nil {
			l.err = errUndefinedString
		}
		return ast.StringTerm("")
	}
	return l.strings[index]
}

func (l *lowering) operand(o ir.Operand) operand {
	switch v := o.Value.(type) {
	case ir.Local:
		return l.local(v)
	case ir.StringIndex:
		return operand{value: l.string(int(v))}
	case ir.Bool:
		return operand{value: ast.InternedTerm(bool(v))}
	}
	l.refuse("operand %v", o.Value)
	return operand{}
}

func (l *lowering) local(v ir.Local) operand {
	v = l.source(v)
	return operand{slot: int(v), value: l.constants[v]}
}

func (l *lowering) operands(in []ir.Operand) []operand {
	out := make([]operand, len(in))
	for i, o := range in {
		out[i] = l.operand(o)
	}
	return out
}

func (l *lowering) location(s *ir.Location) *ast.Location {
	loc := &ast.Location{Row: s.Row, Col: s.Col, Text: []byte(s.Text)}
	if files := l.policy.Static.Files; s.File >= 0 && s.File < len(files) {
		loc.File = files[s.File].Value
	}
	return loc
}
