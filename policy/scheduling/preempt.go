package scheduling

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// Candidate is a node that a pod would fit on once some pods were evicted.
type Candidate struct {
	// Node is nil where the service does not know it.
	Node *policy.Node
	// Victims are the pods to evict; nil is one that the service does not know.
	// There may be none.
	Victims []*policy.PodState
}

// Preempted is what was decided of a Candidate.
type Preempted struct {
	// Protect are the reasons not to evict the first victim that has any.
	// Sorted, and not to be changed.
	Protect []string
	// Err is an *policy.EvaluationError, ErrUnknownNode or ErrUnknownVictim; the
	// node is dropped then.
	Err error
}

// Kept reports whether the victims may be evicted.
func (p *Preempted) Kept() bool { return p.Err == nil && len(p.Protect) == 0 }

// ErrUnknownVictim drops a node with a victim that the service has not seen: it
// cannot tell whether that is protected.
var ErrUnknownVictim = errors.New("victim not yet known to verdict")

// Preempt decides for each candidate whether its victims may be evicted for
// pod: one that is protected protects all. The Sharing counts victims in place
// of nodes. Its error is policy.ErrTimeout: the call as a whole ran out of time.
func Preempt(ctx context.Context, profile policy.Profile, pod policy.Value, candidates []Candidate) ([]Preempted, Sharing, error) {
	out := make([]Preempted, len(candidates))
	if !profile.Defines(policy.Protect) {
		return out, Sharing{}, nil
	}
	needsNode := profile.ReadsNode(policy.Protect) || profile.ReadsState(policy.Protect)
	var asked, evaluated atomic.Int64
	err := each(ctx, len(candidates), func(i int) error {
		candidate := candidates[i]
		if needsNode && candidate.Node == nil {
			out[i].Err = ErrUnknownNode
			return nil
		}
		for _, victim := range candidate.Victims {
			if victim == nil {
				out[i].Err = ErrUnknownVictim
				return nil
			}
			asked.Add(1)
			placer := profile.VictimPlacer(pod, victim)
			placed, kept, err := place(ctx, placer, candidate.Node)
			if !kept {
				evaluated.Add(1)
			}
			if errors.Is(err, policy.ErrTimeout) {
				return policy.ErrTimeout
			}
			if out[i] = (Preempted{Protect: placed.Reasons(), Err: err}); !out[i].Kept() {
				return nil
			}
		}
		return nil
	})
	evaluations := int(evaluated.Load())
	return out, Sharing{Nodes: int(asked.Load()), Classes: evaluations, Evaluations: evaluations}, err
}

// place asks one rule about one node. kept says that it was decided before.
func place(ctx context.Context, placer *policy.Placer, node *policy.Node) (placed policy.Placed, kept bool, err error) {
	class := placer.Class(node)
	if placed, kept = placer.Kept(class, time.Now()); kept {
		return placed, true, nil
	}
	placed, err = placer.Decide(ctx, node, class)
	return placed, false, err
}
