package handlers

import (
	"errors"
	"slices"
	"strings"

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

// refusal is why nodes are refused: thousands of them share a few.
type refusal struct {
	outcome string   // "" where nodes are accepted
	quoted  []byte   // the reason as a JSON string
	reasons []string // one by one
	nodes   int
}

// refusals are those of a call by the numbers of its outcomes.
type refusals []refusal

// of returns the refusal of one more node, nil when it is accepted.
func (r *refusals) of(d *scheduling.Filtered) *refusal {
	for len(*r) <= d.Number {
		*r = append(*r, refusal{})
	}
	if d.Fit() {
		return nil
	}
	known := &(*r)[d.Number]
	if known.outcome == "" {
		*known = newRefusal(d)
	}
	known.nodes++
	return known
}

func newRefusal(d *scheduling.Filtered) refusal {
	outcome, reason := nodeRejected, strings.Join(d.Reject, "; ")
	switch {
	case errors.Is(d.Err, scheduling.ErrUnknownNode):
		outcome, reason = nodeUnknown, d.Err.Error()
	case d.Err != nil:
		outcome, reason = nodeError, "policy error: "+d.Err.Error()
	case len(d.Unresolvable) > 0:
		outcome = nodeUnresolvable
		reason = strings.Join(append(append([]string{}, d.Unresolvable...), d.Reject...), "; ")
	}
	return refusal{outcome: outcome, quoted: appendQuoted(nil, reason), reasons: slices.Concat(d.Unresolvable, d.Reject)}
}
