package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// evaluationError converts the error of an evaluator into ErrTimeout or an *EvaluationError.
func (r *Revision) evaluationError(ctx context.Context, rule string, err error) error {
	if topdown.IsCancel(err) || ctx.Err() != nil {
		return fmt.Errorf("%s: %w", rule, ErrTimeout)
	}
	out := &EvaluationError{Rule: rule, Code: "error", Message: err.Error()}
	if te, ok := errors.AsType[*topdown.Error](err); ok {
		out.Code, out.Message = te.Code, te.Message
		if te.Location != nil {
			out.Location = location(te.Location)
		}
		if te.Code == topdown.ConflictErr {
			out.Message += conflictingRules(r.parsed, te.Location)
		}
	}
	return out
}
