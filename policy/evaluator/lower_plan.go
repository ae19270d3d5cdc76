package evaluator

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// lower makes the program for a plan. grouped are the comprehensions that OPA's interpreter
// groups, names terms for the strings of the plan.
func lower(policy *ir.Policy, compiler *ast.Compiler, grouped map[plan.Place]bool, names document.Names, passes []pass) (*program, error) {
	if n := len(policy.Plans.Plans); n != 1 {
		return nil, fmt.Errorf("%d plans, want one", n)
	}
	b := &builder{
		program: &program{
			outline: outline{capabilities: compiler.Capabilities(), inputPaths: map[string][]inputPath{}},
			dynamic: &pathNode{children: map[string]*pathNode{}},
		},
		paths:   map[string]int{},
		groups:  map[plan.Place]bool{},
		streams: map[string]*function{},
	}
	p, err := newPlanner(b, policy, compiler, grouped, names, passes)
	if err != nil {
		return nil, err
	}
	for _, fn := range policy.Funcs.Funcs {
		if err := p.fill(b, p.planned[fn.Name]); err != nil {
			return nil, fmt.Errorf("%s: %w", fn.Name, err)
		}
	}
	if b.program.main, err = p.main(b, policy.Plans.Plans[0]); err != nil {
		return nil, err
	}
	b.program.wholeInput = b.program.wholeInput || plan.ReadsWholeInput(policy)
	for at, has := range grouped {
		if has && !b.groups[at] {
			return nil, fmt.Errorf("%s:%d: a comprehension that OPA's interpreter groups once and looks up then", at.File, at.Row)
		}
	}
	return b.program, nil
}

// newPlanner works out what is known of the plan, and declares its functions in b: they
// call each other by name, so all are there before one is filled in.
func newPlanner(b *builder, policy *ir.Policy, compiler *ast.Compiler, grouped map[plan.Place]bool, names document.Names, passes []pass) (*planner, error) {
	p := &planner{
		policy:   policy,
		compiler: compiler,
		declared: map[string]bool{},
		planned:  map[string]*plannedFunction{},
		grouped:  grouped,
		literals: map[*ir.Block]map[ir.Local]*ast.Term{},
		passes:   passes,
		forms:    []form{lowerResult},
	}
	for _, s := range policy.Static.Strings {
		term := names[s.Value]
		if term == nil {
			term = ast.StringTerm(s.Value)
		}
		p.strings = append(p.strings, term)
	}
	for _, builtin := range policy.Static.BuiltinFuncs {
		p.declared[builtin.Name] = true
	}
	for _, pass := range passes {
		if pass.lower != nil {
			p.forms = append(p.forms, pass.lower)
		}
		if pass.rewrite != nil {
			pass.rewrite(p)
		}
	}
	p.forms = append(p.forms, lowerStatement)
	for _, fn := range policy.Funcs.Funcs {
		if _, twice := p.planned[fn.Name]; twice {
			return nil, fmt.Errorf("%s is planned twice", fn.Name)
		}
		f, err := declare(b, fn)
		if err != nil {
			return nil, err
		}
		p.planned[fn.Name] = &plannedFunction{Func: fn, layout: plan.LayoutOf(policy, compiler, fn), function: f}
	}
	for _, pass := range passes {
		if pass.declare != nil {
			pass.declare(p, b)
		}
	}
	return p, nil
}

// declare makes a function that is not filled in.
func declare(b *builder, fn *ir.Func) (*function, error) {
	f := newFunction(fn.Name, fn.Return)
	if len(fn.Params) < plan.PassedOn || fn.Params[0] != ir.Input || fn.Params[1] != ir.Data {
		return nil, fmt.Errorf("%s: unexpected parameters %v", fn.Name, fn.Params)
	}
	// The values that replace functions are passed before the result, the arguments
	// after it.
	f.replaced = f.result - plan.PassedOn
	for i, v := range fn.Params {
		want := i
		if i >= f.result {
			want++
		}
		if int(v) != want {
			return nil, fmt.Errorf("%s: unexpected parameters %v", fn.Name, fn.Params)
		}
		f.params = append(f.params, int(v))
	}
	if f.replaced < 0 || len(fn.Params) < f.result {
		return nil, fmt.Errorf("%s: unexpected parameters %v", fn.Name, fn.Params)
	}
	if f.replaced == 0 && len(fn.Params) == plan.PassedOn {
		f.rule = b.program.rules
		b.program.rules++
	}
	if len(fn.Path) > 0 {
		b.program.dynamic.add(fn.Path, f)
	}
	return f, nil
}

// fill lowers the blocks of a function.
func (p *planner) fill(b *builder, fn *plannedFunction) error {
	if plan.ChangesForeign(fn.Func) {
		return errors.New("rules that fill one object at different depths")
	}
	f, layout := fn.function, fn.layout
	of := &functionScope{function: f, value: layout.Value, earlyExit: layout.EarlyExit, single: layout.Single}
	sc := newScope(p, b, of, fn.Blocks)
	f.prologue = sc.own(layout.Prologue)
	for _, d := range layout.Definitions {
		f.definitions = append(f.definitions, sc.own(d))
	}
	f.epilogue = sc.own(layout.Epilogue)
	return of.err
}

// main lowers the query, which asks for the value of the entry rule.
func (p *planner) main(b *builder, query *ir.Plan) (*function, error) {
	f := newFunction(query.Name, ir.Unused)
	f.params = []int{int(ir.Input), int(ir.Data)}
	of := &functionScope{function: f, value: -1}
	f.epilogue = newScope(p, b, of, query.Blocks).own(query.Blocks)
	return f, of.err
}
