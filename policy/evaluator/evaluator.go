// Package evaluator runs one entry rule on one input. OPA's interpreter is the
// reference; other implementations have to agree with it.
package evaluator

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Evaluator runs one entry rule. It is immutable and safe for concurrent use.
type Evaluator interface {
	// Evaluate returns the value of the entry rule for input, nil when it is
	// undefined. The value belongs to the caller but may share structure with
	// input and data: it must not be changed.
	//
	// An error is a *topdown.Error: builtin errors are errors (strict mode),
	// conflicts carry their location, and one for which topdown.IsCancel holds
	// means that ctx ended first. A panic inside evaluation is returned as an error.
	Evaluate(ctx context.Context, input ast.Value) (ast.Value, error)
}
