// Package scheduling decides one pod against many nodes.
package scheduling

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/verdict-dev/verdict/policy"
)

// Node is one node as policies see it.
type Node struct {
	Name string
	// Object is the v1 Node; the zero Object when the service does not know it.
	Object policy.Object
}

// Nodes is what the service knows of the cluster's nodes.
type Nodes interface {
	// Node returns the node called name; false when it is not known (yet).
	Node(name string) (policy.Object, bool)
	// Ready returns nil once the nodes have been read for the first time, and
	// says what is missing before.
	Ready() error
}

// Filtered is what was decided of one node.
type Filtered struct {
	policy.Placement
	// Err is an *policy.EvaluationError or ErrUnknownNode; the node is refused then.
	Err error
}

// ErrUnknownNode refuses a node that the service has not seen.
var ErrUnknownNode = errors.New("node not yet known to verdict")

// Filter decides whether pod may run on each node, in the order of nodes. Its
// error is policy.ErrTimeout: the call as a whole ran out of time.
func Filter(ctx context.Context, revision *policy.Revision, pod policy.Object, nodes []Node) ([]Filtered, error) {
	out := make([]Filtered, len(nodes))
	err := each(ctx, len(nodes), func(i int) error {
		if nodes[i].Object.IsZero() {
			out[i].Err = ErrUnknownNode
			return nil
		}
		out[i].Placement, out[i].Err = revision.Place(ctx, pod, nodes[i].Object)
		return timeout(out[i].Err)
	})
	return out, err
}

// Scored is the score of one node, 0 to policy.MaxScore.
type Scored struct {
	Score int64
	Err   error // an *policy.EvaluationError or ErrUnknownNode; Score is 0 then
}

// Prioritize scores pod on each node, in the order of nodes. Its error is
// policy.ErrTimeout: the call as a whole ran out of time.
func Prioritize(ctx context.Context, revision *policy.Revision, pod policy.Object, nodes []Node) ([]Scored, error) {
	out := make([]Scored, len(nodes))
	err := each(ctx, len(nodes), func(i int) error {
		if nodes[i].Object.IsZero() {
			out[i].Err = ErrUnknownNode
			return nil
		}
		out[i].Score, out[i].Err = revision.Score(ctx, pod, nodes[i].Object)
		return timeout(out[i].Err)
	})
	return out, err
}

func timeout(err error) error {
	if errors.Is(err, policy.ErrTimeout) {
		return policy.ErrTimeout
	}
	return nil
}

// each calls decide for 0 to n-1 over the available processors and stops at
// the first error.
func each(ctx context.Context, n int, decide func(i int) error) error {
	var (
		next  atomic.Int64
		once  sync.Once
		first error
		group sync.WaitGroup
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := decide(i)
				if err == nil && ctx.Err() != nil {
					err = policy.ErrTimeout
				}
				if err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
					return
				}
			}
		})
	}
	group.Wait()
	return first
}
