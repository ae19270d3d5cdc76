// Package scheduling decides one pod against many nodes: once for all nodes
// that the policy cannot tell apart.
package scheduling

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// Nodes is what the service knows of the cluster's nodes.
type Nodes interface {
	// Find sets nodes[i] to the node called names[i], for each that is known.
	// The names are not kept.
	Find(names [][]byte, nodes []*policy.Node)
	// Ready returns nil once the nodes have been read for the first time, and
	// says what is missing before.
	Ready() error
}

// Filtered is what was decided of one node.
type Filtered struct {
	// Reject are reasons an eviction might cure, Unresolvable those that none
	// can. Sorted, and not to be changed. The node is fit for the pod when both
	// are empty.
	Reject, Unresolvable []string
	// Err is an *policy.EvaluationError or ErrUnknownNode; the node is refused then.
	Err error
}

// ErrUnknownNode refuses a node that the service has not seen.
var ErrUnknownNode = errors.New("node not yet known to verdict")

// Filter decides whether pod may run on each node, in the order of nodes, of
// which those that are not known are nil. Its error is policy.ErrTimeout: the
// call as a whole ran out of time.
func Filter(ctx context.Context, view *policy.View, pod policy.Value, nodes []*policy.Node) ([]Filtered, Sharing, error) {
	var total Sharing
	out := make([]Filtered, len(nodes))
	for _, which := range []policy.SchedulingRule{policy.Unresolvable, policy.Reject} {
		sharing, err := decide(ctx, view.Placer(which, pod), nodes, func(i int, placed policy.Placed, err error) {
			switch {
			case out[i].Err != nil:
			case err != nil:
				out[i].Err = err
			case which == policy.Reject:
				out[i].Reject = placed.Reasons()
			default:
				out[i].Unresolvable = placed.Reasons()
			}
		})
		total.add(sharing)
		if err != nil {
			return nil, total, err
		}
	}
	return out, total, nil
}

// Scored is the score of one node, 0 to policy.MaxScore.
type Scored struct {
	Score int64
	Err   error // an *policy.EvaluationError or ErrUnknownNode; Score is 0 then
}

// Prioritize scores pod on each node, in the order of nodes, of which those
// that are not known are nil. Its error is policy.ErrTimeout: the call as a
// whole ran out of time.
func Prioritize(ctx context.Context, view *policy.View, pod policy.Value, nodes []*policy.Node) ([]Scored, Sharing, error) {
	out := make([]Scored, len(nodes))
	sharing, err := decide(ctx, view.Placer(policy.Score, pod), nodes, func(i int, placed policy.Placed, err error) {
		out[i] = Scored{Score: placed.Score(), Err: err}
	})
	return out, sharing, err
}

// Sharing is how much work a call was, over its rules.
type Sharing struct {
	Nodes       int // decided
	Classes     int // of nodes that the rule cannot tell apart
	Evaluations int // of the policy
}

func (s *Sharing) add(other Sharing) {
	s.Nodes += other.Nodes
	s.Classes += other.Classes
	s.Evaluations += other.Evaluations
}

// group is one class of nodes in a call.
type group struct {
	node   *policy.Node // one of them
	class  policy.Class
	placed policy.Placed
	err    error
}

// lookEvery is how many nodes are told apart between two looks at the clock.
const lookEvery = 256

// decide asks one rule about every node and reports what it says of each.
func decide(ctx context.Context, placer *policy.Placer, nodes []*policy.Node, report func(i int, placed policy.Placed, err error)) (Sharing, error) {
	var (
		sharing Sharing
		groups  []group
		open    []int // groups to evaluate
		of      = make([]int32, len(nodes))
		index   = map[policy.Class]int32{}
		now     = time.Now()
	)
	if ctx.Err() != nil {
		return sharing, policy.ErrTimeout
	}
	for i, node := range nodes {
		if i%lookEvery == lookEvery-1 && ctx.Err() != nil {
			return sharing, policy.ErrTimeout
		}
		if node == nil {
			of[i] = -1
			continue
		}
		class := placer.Class(node)
		at, known := index[class]
		if !known || class == (policy.Class{}) {
			at = int32(len(groups)) //nolint:gosec // no more than nodes
			g := group{node: node, class: class}
			var kept bool
			if g.placed, kept = placer.Kept(class, now); !kept {
				open = append(open, len(groups))
			}
			groups = append(groups, g)
			index[class] = at
		}
		of[i] = at
		sharing.Nodes++
	}
	sharing.Classes, sharing.Evaluations = len(groups), len(open)
	err := each(ctx, len(open), func(i int) error {
		g := &groups[open[i]]
		g.placed, g.err = placer.Decide(ctx, g.node, g.class)
		if errors.Is(g.err, policy.ErrTimeout) {
			return policy.ErrTimeout
		}
		return nil
	})
	if err != nil {
		return sharing, err
	}
	for i, at := range of {
		if at < 0 {
			report(i, policy.Placed{}, ErrUnknownNode)
			continue
		}
		report(i, groups[at].placed, groups[at].err)
	}
	return sharing, nil
}

// each calls do for 0 to n-1 over the available processors and stops at the
// first error. A panic of do is one of the caller's goroutine, which knows what
// to answer then.
func each(ctx context.Context, n int, do func(i int) error) error {
	var (
		next  atomic.Int64
		once  sync.Once
		first error
		cause any
		group sync.WaitGroup
	)
	stop := func(err error, panicked any) {
		once.Do(func() { first, cause = err, panicked })
		next.Store(int64(n))
	}
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			defer func() {
				if panicked := recover(); panicked != nil {
					stop(nil, panicked)
				}
			}()
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := do(i)
				if err == nil && ctx.Err() != nil {
					err = policy.ErrTimeout
				}
				if err != nil {
					stop(err, nil)
					return
				}
			}
		})
	}
	group.Wait()
	if cause != nil {
		panic(cause)
	}
	return first
}
