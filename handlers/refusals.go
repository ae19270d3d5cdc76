package handlers

import (
	"strings"
	"unsafe"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// The outcomes of nodes in the metrics.
const (
	nodeAccepted     = "accepted"
	nodeRejected     = "rejected"
	nodeUnresolvable = "unresolvable"
	nodeUnknown      = "unknown"
	nodeError        = "error"
)

// refusal is why a node is refused: nodes that share a decision share it.
type refusal struct {
	outcome string
	quoted  []byte // the reason as a JSON string
	nodes   int
}

// refusals tells the few refusals of a call apart, by where their reasons are
// in memory: thousands of nodes refer to the same ones.
type refusals map[refusalKey]*refusal

type refusalKey struct {
	err                  error
	reject, unresolvable *string
}

// of returns the refusal in d, nil when the node is accepted.
func (r refusals) of(d *scheduling.Filtered) *refusal {
	if d.Err == nil && len(d.Reject) == 0 && len(d.Unresolvable) == 0 {
		return nil
	}
	key := refusalKey{err: d.Err}
	if d.Err == nil {
		key.reject, key.unresolvable = unsafe.SliceData(d.Reject), unsafe.SliceData(d.Unresolvable) //nolint:gosec // for telling apart
	}
	known := r[key]
	if known == nil {
		known = newRefusal(d)
		r[key] = known
	}
	known.nodes++
	return known
}

func newRefusal(d *scheduling.Filtered) *refusal {
	outcome, reason := nodeRejected, strings.Join(d.Reject, "; ")
	switch {
	case d.Err == scheduling.ErrUnknownNode: //nolint:errorlint // it is never wrapped
		outcome, reason = nodeUnknown, d.Err.Error()
	case d.Err != nil:
		outcome, reason = nodeError, "policy error: "+d.Err.Error()
	case len(d.Unresolvable) > 0:
		outcome = nodeUnresolvable
		reason = strings.Join(append(append([]string{}, d.Unresolvable...), d.Reject...), "; ")
	}
	return &refusal{outcome: outcome, quoted: appendQuoted(nil, reason)}
}
