package plan

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// Layout is how the blocks of a function fall into the definitions of its rule.
type Layout struct {
	Prologue, Epilogue []*ir.Block
	Definitions        [][]*ir.Block
	// Value is the variable each definition puts its value into, -1 for none; with
	// EarlyExit the first definition that holds decides.
	Value     ir.Local
	EarlyExit bool
	// Single says that there is one value, rather than the elements of a set or an object.
	Single bool
}

// LayoutOf finds the definitions of fn and brings them into the order in which OPA
// evaluates them. Where it can't find them, all blocks are the epilogue.
func LayoutOf(policy *ir.Policy, compiler *ast.Compiler, fn *ir.Func) Layout {
	rules := rulesOf(compiler, fn)
	if len(rules) > 0 {
		d := &divider{policy: policy, fn: fn, out: Layout{Value: -1}, single: givesOneValue(fn, rules)}
		if d.locate(rules) && d.divide() && d.sort() {
			d.out.Single = d.single
			d.out.EarlyExit = d.single && sameConstant(rules) && !enumerates(fn.Blocks)
			return d.out
		}
	}
	return Layout{Epilogue: fn.Blocks, Value: -1, Single: true}
}

// givesOneValue reports whether rules give one value. A rule for the keys of an object
// adds to its result itself.
func givesOneValue(fn *ir.Func, rules []*ast.Rule) bool {
	return rules[0].Head.RuleKind() == ast.SingleValue &&
		!slices.ContainsFunc(rules, func(rule *ast.Rule) bool { return len(rule.Ref()) != len(fn.Path) })
}

// divider divides the blocks of a function. Its methods return false where it can't.
type divider struct {
	policy *ir.Policy
	fn     *ir.Func
	single bool
	// index is that of each rule, by the place of its head; default rules have none.
	index map[Place]int
	found []located
	out   Layout
}

// located are the blocks of the rule with that index.
type located struct {
	rule   int
	blocks []*ir.Block
}

func (d *divider) locate(rules []*ast.Rule) bool {
	d.index = map[Place]int{}
	for i, rule := range rules {
		if rule.Default {
			continue
		}
		at := PlaceOf(rule.Head.Loc())
		if _, twice := d.index[at]; twice {
			return false
		}
		d.index[at] = i
	}
	return true
}

func (d *divider) divide() bool {
	blocks := d.fn.Blocks
	for i := 0; i < len(blocks); i++ {
		b := blocks[i]
		head, value, ok := definition(b)
		if !ok {
			if len(d.found) == 0 {
				d.out.Prologue = append(d.out.Prologue, b)
			} else {
				d.out.Epilogue = append(d.out.Epilogue, b)
			}
			continue
		}
		rule, known := d.index[PlaceIn(d.policy, head)]
		if !known || len(d.out.Epilogue) > 0 || (d.out.Value >= 0 && d.out.Value != value) {
			return false
		}
		d.out.Value = value
		one := located{rule: rule, blocks: []*ir.Block{b}}
		if _, ordered := b.Stmts[0].(*ir.BlockStmt); d.single && !ordered {
			// The block that makes the value the function's result follows.
			i++
			if i == len(blocks) || !setsResult(blocks[i], value, d.fn.Return) {
				return false
			}
			one.blocks = append(one.blocks, blocks[i])
		}
		d.found = append(d.found, one)
	}
	return len(d.found) == len(d.index)
}

func (d *divider) sort() bool {
	slices.SortFunc(d.found, func(a, b located) int { return a.rule - b.rule })
	for i, one := range d.found {
		if i > 0 && d.found[i-1].rule == one.rule {
			return false
		}
		d.out.Definitions = append(d.out.Definitions, one.blocks)
	}
	return true
}

// Ref is the path of the rules that fn was planned from.
func Ref(fn *ir.Func) ast.Ref {
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, name := range fn.Path[1:] { // the first names the generation
		ref = append(ref, ast.StringTerm(name))
	}
	return ref
}

// rulesOf are those that fn was planned from, in the order of OPA's index, or none when
// the plan merged several paths into one function.
func rulesOf(compiler *ast.Compiler, fn *ir.Func) []*ast.Rule {
	if len(fn.Path) < 2 {
		return nil
	}
	return RulesAt(compiler, Ref(fn))
}

// RulesAt are the rules at ref, in the order of OPA's index, or none where some lie
// below it.
func RulesAt(compiler *ast.Compiler, ref ast.Ref) []*ast.Rule {
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

func setsResult(b *ir.Block, value, result ir.Local) bool {
	if len(b.Stmts) != 2 {
		return false
	}
	defined, ok1 := b.Stmts[0].(*ir.IsDefinedStmt)
	assign, ok2 := b.Stmts[1].(*ir.AssignVarOnceStmt)
	return ok1 && ok2 && defined.Source == value && assign.Target == result
}

// enumerates reports whether blocks go through the names of a package, its
// rules first and its data after that. OPA's interpreter has another order.
func enumerates(blocks []*ir.Block) bool {
	found := false
	Walk(blocks, func(s ir.Stmt) {
		if not, ok := s.(*ir.NotStmt); ok && len(not.Block.Stmts) == 1 {
			// Data under the name of a rule is passed over.
			_, ok := not.Block.Stmts[0].(*ir.DotStmt)
			found = found || ok
		}
	})
	return found
}
