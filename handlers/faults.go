package handlers

import (
	"errors"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
)

// fault is why a call can't be decided that is no fault of the policy.
type fault struct {
	kind string // for the metrics
	err  error
}

// Error implements error.
func (f *fault) Error() string { return f.err.Error() }

// Unwrap is for errors.Is.
func (f *fault) Unwrap() error { return f.err }

// failed logs and counts an evaluation that gave no decision.
func (h *handler) failed(point policy.Point, verb string, err error) {
	kind := "policy"
	if fault, ok := errors.AsType[*fault](err); ok {
		kind = fault.kind
	}
	if errors.Is(err, policy.ErrTimeout) {
		kind = "timeout"
	}
	h.Metrics.errors.WithLabelValues(point.String(), verb, kind).Inc()
	h.Log.Error("a policy gave no decision", zap.String("point", point.String()), zap.String("verb", verb), zap.Error(err))
}
