package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// apart runs do in a goroutine, and leaves it there when ctx ends first: for what
// is no request's, and therefore not counted. left is closed once do has ended.
func apart[T any](ctx context.Context, do func(context.Context) (T, error)) (out T, left <-chan struct{}, err error) {
	type outcome struct {
		value T
		err   error
	}
	done, ended := make(chan outcome, 1), make(chan struct{})
	go func() {
		defer close(ended)
		var o outcome
		defer func() {
			if cause := recover(); cause != nil {
				o.err = &EvaluationError{Code: topdown.InternalErr, Message: fmt.Sprintf("evaluation panicked: %v", cause)}
			}
			done <- o
		}()
		o.value, o.err = do(ctx)
	}()
	select {
	case o := <-done:
		return o.value, ended, o.err
	case <-ctx.Done():
		return out, ended, ErrTimeout
	}
}
