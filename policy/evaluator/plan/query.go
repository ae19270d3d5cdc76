package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/verdict-dev/verdict/policy/evaluator/rewrite"
)

// planTarget is the name under which OPA passes the plan of a query to this package. Its
// planner is internal to OPA; a target of package rego is the public way to it
// that takes modules already compiled.
const planTarget = "verdict-plan"

// OPA reads its list of targets without a lock, so ours is added before
// anything runs.
var _ = planReceiver{}.registered()

func (r planReceiver) registered() planReceiver {
	rego.RegisterPlugin(planTarget, r)
	return r
}

// planReceiver passes each plan to the caller that waits for it, which the
// context names.
type planReceiver struct{}

type planKey struct{}

// IsTarget implements rego.TargetPlugin.
func (planReceiver) IsTarget(name string) bool { return name == planTarget }

// PrepareForEval implements rego.TargetPlugin. It keeps the plan.
func (planReceiver) PrepareForEval(ctx context.Context, policy *ir.Policy, _ ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	into, ok := ctx.Value(planKey{}).(**ir.Policy)
	if !ok {
		return nil, errors.New("no caller waits for this plan")
	}
	*into = policy
	return notEvaluated{}, nil
}

// notEvaluated stands where package rego keeps what evaluates: we only plan.
type notEvaluated struct{}

// Eval implements rego.TargetPluginEval.
func (notEvaluated) Eval(context.Context, *rego.EvalContext, ast.Value) (ast.Value, error) {
	return nil, errors.New("this target plans and does not evaluate")
}

// Of plans the query variable = ref over the modules of compiler. An error also says
// that a plan would not do what the interpreter does.
func Of(ctx context.Context, compiler *ast.Compiler, ref ast.Ref, variable string) (policy *ir.Policy, err error) {
	defer func() {
		if r := recover(); r != nil {
			policy, err = nil, fmt.Errorf("planning %v panicked: %v", ref, r)
		}
	}()
	prepared, err := rewrite.ForPlanning(compiler, ref)
	if err != nil {
		return nil, err
	}
	_, err = rego.New(
		rego.Compiler(prepared),
		rego.ParsedQuery(ast.NewBody(ast.Equality.Expr(ast.VarTerm(variable), ast.NewTerm(ref)))),
		rego.Target(planTarget),
		// A target switches the compiler to another mode, for good; it stays as it was.
		rego.EvalMode(ast.EvalModeTopdown),
	).PrepareForEval(context.WithValue(ctx, planKey{}, &policy))
	if err != nil {
		return nil, fmt.Errorf("planning %v: %w", ref, err)
	}
	if policy == nil {
		return nil, fmt.Errorf("planning %v: no plan was made", ref)
	}
	return policy, nil
}
