package evaluator

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// layout is how the blocks of a function fall into the definitions of its rule.
type layout struct {
	prologue, epilogue []*ir.Block
	definitions        [][]*ir.Block
	// value is the variable each definition puts its value into; with earlyExit
	// the first definition that holds decides.
	value     ir.Local
	earlyExit bool
	single    bool // one value, rather than the elements of a set or an object
	index     int  // among those of the program, noIndex for none
}

// layout finds the definitions and brings them into the order in which OPA
// evaluates them. Where they can't be told apart, everything is run.
func (l *lowering) layout(fn *ir.Func) layout {
	all := layout{epilogue: fn.Blocks, value: -1, single: true, index: noIndex}
	rules := l.rules(fn)
	if len(rules) == 0 {
		return all
	}
	position := map[place]int{}
	definitions := 0
	for i, rule := range rules {
		if rule.Default {
			continue
		}
		definitions++
		at := placeOf(rule.Head.Loc())
		if _, twice := position[at]; twice {
			return all
		}
		position[at] = i
	}

	type group struct {
		rule   int
		blocks []*ir.Block
	}
	var groups []group
	out := layout{value: -1, index: noIndex}
	// A rule for the keys of an object adds to its result itself.
	single := rules[0].Head.RuleKind() == ast.SingleValue
	for _, rule := range rules {
		single = single && len(rule.Ref()) == len(fn.Path)
	}
	for i := 0; i < len(fn.Blocks); i++ {
		b := fn.Blocks[i]
		head, value, ok := definition(b)
		if !ok {
			if len(groups) == 0 {
				out.prologue = append(out.prologue, b)
			} else {
				out.epilogue = append(out.epilogue, b)
			}
			continue
		}
		rule, known := position[l.place(head)]
		if !known || len(out.epilogue) > 0 || (out.value >= 0 && out.value != value) {
			return all
		}
		out.value = value
		g := group{rule: rule, blocks: []*ir.Block{b}}
		if _, ordered := b.Stmts[0].(*ir.BlockStmt); single && !ordered {
			// The block that hands the value to the function follows.
			i++
			if i == len(fn.Blocks) || !handsOver(fn.Blocks[i], value, fn.Return) {
				return all
			}
			g.blocks = append(g.blocks, fn.Blocks[i])
		}
		groups = append(groups, g)
	}
	if len(groups) != definitions {
		return all
	}
	slices.SortFunc(groups, func(a, b group) int { return a.rule - b.rule })
	for i, g := range groups {
		if i > 0 && groups[i-1].rule == g.rule {
			return all
		}
		out.definitions = append(out.definitions, g.blocks)
	}
	out.single, out.earlyExit = single, single && sameConstant(rules) && !enumerates(fn.Blocks)
	if definitions >= indexFrom {
		if ref := l.refOf(fn); l.compiler.RuleIndex(ref) != nil {
			out.index = len(l.program.indexes)
			l.program.indexes = append(l.program.indexes, ref)
		}
	}
	return out
}

// indexFrom is the number of definitions from which asking OPA's index pays.
const indexFrom = 6

// refOf is the path of the rules that fn was planned from.
func (l *lowering) refOf(fn *ir.Func) ast.Ref {
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, name := range fn.Path[1:] { // the first names the generation
		ref = append(ref, ast.StringTerm(name))
	}
	return ref
}

// rules are those that fn was planned from, in the order of OPA's index, or
// none when the plan merged several paths into one function.
func (l *lowering) rules(fn *ir.Func) []*ast.Rule {
	if len(fn.Path) < 2 {
		return nil
	}
	return rulesAt(l.compiler, l.refOf(fn))
}

func rulesAt(compiler *ast.Compiler, ref ast.Ref) []*ast.Rule {
	node := compiler.RuleTree
	for _, t := range ref {
		if node = node.Child(t.Value); node == nil {
			return nil
		}
	}
	if len(node.Children) > 0 {
		return nil
	}
	for _, rule := range node.Values {
		if !rule.Ref().HasPrefix(ref) {
			return nil
		}
	}
	return node.Values
}

// sameConstant reports whether the first definition that holds decides, by the
// rule of OPA's interpreter.
func sameConstant(rules []*ast.Rule) bool {
	var value ast.Value
	same := true
	for _, rule := range rules {
		if rule.Default {
			continue
		}
		for r := rule; r != nil; r = r.Else {
			if r.Head.DocKind() != ast.CompleteDoc || r.Head.Value == nil || !ast.IsConstant(r.Head.Value.Value) {
				return false
			}
			if value == nil {
				value = r.Head.Value.Value
			}
			same = same && value.Compare(r.Head.Value.Value) == 0
		}
	}
	return same
}

// place is where something is written.
type place struct {
	file     string
	row, col int
}

// unnamed is how a plan calls a file without a name.
const unnamed = "<query>"

func placeOf(l *ast.Location) place {
	if l == nil {
		return place{}
	}
	if l.File == "" {
		return place{file: unnamed, row: l.Row, col: l.Col}
	}
	return place{file: l.File, row: l.Row, col: l.Col}
}

func (l *lowering) place(loc *ir.Location) place {
	if files := l.policy.Static.Files; loc.File >= 0 && loc.File < len(files) {
		return place{file: files[loc.File].Value, row: loc.Row, col: loc.Col}
	}
	return place{}
}

// definition recognises the block of a rule, or of a rule with its else chain,
// by the statement it begins with.
func definition(b *ir.Block) (head *ir.Location, value ir.Local, ok bool) {
	if len(b.Stmts) == 0 {
		return nil, 0, false
	}
	switch s := b.Stmts[0].(type) {
	case *ir.ResetLocalStmt:
		return s.GetLocation(), s.Target, true
	case *ir.BlockStmt:
		if len(b.Stmts) == 1 && len(s.Blocks) > 0 && len(s.Blocks[0].Stmts) > 0 {
			if r, ok := s.Blocks[0].Stmts[0].(*ir.ResetLocalStmt); ok {
				return r.GetLocation(), r.Target, true
			}
		}
	}
	return nil, 0, false
}

func handsOver(b *ir.Block, value, result ir.Local) bool {
	if len(b.Stmts) != 2 {
		return false
	}
	defined, ok1 := b.Stmts[0].(*ir.IsDefinedStmt)
	assign, ok2 := b.Stmts[1].(*ir.AssignVarOnceStmt)
	return ok1 && ok2 && defined.Source == value && assign.Target == result
}

// noIndex says that all definitions of a function are run.
const noIndex = -1

// indexesOf are the indexes that a program asks for, of the rules of compiler.
func indexesOf(compiler *ast.Compiler, refs []ast.Ref) ([]*ruleIndex, error) {
	out := make([]*ruleIndex, len(refs))
	for i, ref := range refs {
		index := compiler.RuleIndex(ref)
		if index == nil {
			return nil, fmt.Errorf("%v has no index", ref)
		}
		out[i] = newRuleIndex(index, rulesAt(compiler, ref))
	}
	return out, nil
}

// ruleIndex asks OPA's own index which definitions can hold, so that neither
// evaluates a definition that the other does not.
type ruleIndex struct {
	index ast.RuleIndex
	// definition is the place of a rule, or of the rule whose else it is, among
	// the function's definitions.
	definition map[*ast.Rule]int
}

func newRuleIndex(index ast.RuleIndex, rules []*ast.Rule) *ruleIndex {
	out := &ruleIndex{index: index, definition: map[*ast.Rule]int{}}
	n := 0
	for _, rule := range rules {
		if rule.Default {
			continue
		}
		for r := rule; r != nil; r = r.Else {
			out.definition[r] = n
		}
		n++
	}
	return out
}

func (x *ruleIndex) run(m *machine, f frame, fn *function) code {
	r := &m.lookup
	r.machine, r.input, r.data = m, f[ir.Input], f[ir.Data]
	r.args = fn.arguments(f)
	result, err := x.index.Lookup(r)
	r.clear()
	if err != nil {
		return m.fail(err)
	}
	c := next
	for _, rule := range result.Rules {
		at, known := x.definition[rule]
		if !known {
			c = m.fail(errUnplanned)
			break
		}
		if c = runBlocks(fn.definitions[at], m, f); c != next {
			break
		}
	}
	ast.IndexResultPool.Put(result)
	return c
}

// ruleResolver answers what OPA's index asks for.
type ruleResolver struct {
	machine     *machine
	input, data *ast.Term
	args        []*ast.Term
}

func (r *ruleResolver) clear() { *r = ruleResolver{} }

// Resolve implements ast.ValueResolver. A value that is not there is nil.
func (r *ruleResolver) Resolve(ref ast.Ref) (ast.Value, error) {
	switch {
	case ref[0].Equal(ast.FunctionArgRootDocument):
		if n, ok := ref[1].Value.(ast.Number); ok {
			if i, ok := n.Int(); ok && i >= 0 && i < len(r.args) {
				return r.args[i].Value, nil
			}
		}
	case ref[0].Equal(ast.InputRootDocument):
		if r.machine.document != nil {
			return r.machine.find(ref[1:]), nil
		}
		if r.input == nil {
			return nil, nil
		}
		v, err := r.input.Value.Find(ref[1:])
		if err != nil {
			return nil, nil //nolint:nilerr // what is not found is undefined
		}
		return v, nil
	case ref[0].Equal(ast.DefaultRootDocument):
		// The interpreter reads data by other rules where a key is no string.
		// What is not found here is left to the definitions.
		if v, err := r.data.Value.Find(ref[1:]); err == nil {
			return v, nil
		}
	}
	return nil, ast.UnknownValueErr{}
}
