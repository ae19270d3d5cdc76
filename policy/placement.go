package policy

import (
	"context"
	"encoding/json"
	"math"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Placement is what a policy says of one pod on one node.
type Placement struct {
	// Reject are reasons an eviction might cure, Unresolvable those that none
	// can. Sorted. The node is fit for the pod when both are empty.
	Reject, Unresolvable []string
}

// MaxScore is the highest score of a node (k8s.io/kube-scheduler MaxExtenderPriority).
const MaxScore = 10

// placementInput is {"pod": …, "node": …}.
func placementInput(pod, node Object) ast.Value {
	return ast.NewObject(
		[2]*ast.Term{podKey, ast.NewTerm(ObjectField(pod).value)},
		[2]*ast.Term{nodeKey, ast.NewTerm(ObjectField(node).value)},
	)
}

var (
	podKey  = ast.StringTerm("pod")
	nodeKey = ast.StringTerm("node")
)

// Place says whether the pod may run on the node. An error is ErrTimeout or
// an *EvaluationError.
func (r *Revision) Place(ctx context.Context, pod, node Object) (Placement, error) {
	input := placementInput(pod, node)
	unresolvable, err := r.reasons(ctx, r.entries.SchedulingUnresolvable, input)
	if err != nil {
		return Placement{}, err
	}
	reject, err := r.reasons(ctx, r.entries.SchedulingReject, input)
	if err != nil {
		return Placement{}, err
	}
	return Placement{Reject: reject, Unresolvable: unresolvable}, nil
}

// Score says how well the pod runs on the node: the sum of the score rules,
// limited to 0–10 and rounded, halves away from zero. An error is ErrTimeout
// or an *EvaluationError.
func (r *Revision) Score(ctx context.Context, pod, node Object) (int64, error) {
	path := r.entries.SchedulingScore
	value, err := r.evaluate(ctx, path, placementInput(pod, node))
	if err != nil || value == nil {
		return 0, err
	}
	scores, ok := value.(ast.Object)
	if !ok {
		return 0, shapeError(path, "must be an object of numbers, not %s", kindOf(value))
	}
	sum := 0.0
	err = scores.Iter(func(name, score *ast.Term) error {
		number, ok := score.Value.(ast.Number)
		if !ok {
			return shapeError(path, "%v must be a number, not %s", name, kindOf(score.Value))
		}
		f, err := json.Number(number).Float64()
		if err != nil {
			return shapeError(path, "%v: number out of range", name)
		}
		sum += f
		return nil
	})
	if err != nil {
		return 0, err
	}
	if math.IsNaN(sum) {
		return 0, shapeError(path, "the scores add up to no number")
	}
	return int64(math.Round(min(max(sum, 0), MaxScore))), nil
}
