// Package scheduling decides about one pod and many nodes. It evaluates the policy once
// for all nodes that are equal in the fields that the policy reads.
package scheduling

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Nodes is what the service knows of the cluster's nodes.
type Nodes interface {
	// Find sets nodes[i] to the node called names[i], for each that is known.
	// The names are not kept.
	Find(names [][]byte, nodes []*nodes.Node)
	// Ready returns nil after the nodes have been read for the first time. Before, the
	// error says what is missing.
	Ready() error
}

// Filtered is the decision about a node. Nodes with equal decisions share it.
type Filtered struct {
	// Reject are reasons that an eviction could remove, Unresolvable are reasons that
	// no eviction removes. They are sorted and must not be changed. The pod fits on the
	// node when both are empty.
	Reject, Unresolvable []string
	// Err is an *policy.EvaluationError or ErrUnknownNode; the node is refused then.
	Err error
	// Number tells the outcomes of a call apart: from 0, without gaps.
	Number int
}

// Fit reports whether the pod may run on the node.
func (f *Filtered) Fit() bool {
	return f.Err == nil && len(f.Reject) == 0 && len(f.Unresolvable) == 0
}

// ErrUnknownNode refuses a node that the service has not seen.
var ErrUnknownNode = errors.New("node not yet known to verdict")

// Filter decides for each node whether pod may run on it. The result has the order of
// nodes. A node that is not known is nil. The error is policy.ErrTimeout: the time of
// the whole call ended.
func Filter(ctx context.Context, profile policy.Profile, pod document.Value, nodes []*nodes.Node) ([]*Filtered, Sharing, error) {
	unresolvable, err := decide(ctx, profile.Placer(policy.Unresolvable, pod), nodes, false)
	if err != nil {
		return nil, unresolvable.sharing, err
	}
	reject, err := decide(ctx, profile.Placer(policy.Reject, pod), nodes, false)
	total := unresolvable.sharing
	total.add(reject.sharing)
	if err != nil {
		return nil, total, err
	}
	out := make([]*Filtered, len(nodes))
	outcomes := map[[2]int32]*Filtered{}
	var last *Filtered
	lastPair := [2]int32{unknown - 1, unknown - 1}
	for i := range nodes {
		pair := [2]int32{unresolvable.of[i], reject.of[i]}
		if pair != lastPair {
			lastPair = pair
			if last = outcomes[pair]; last == nil {
				last = outcome(unresolvable.group(i), reject.group(i))
				last.Number = len(outcomes)
				outcomes[pair] = last
			}
		}
		out[i] = last
	}
	return out, total, nil
}

// outcome combines the results of the two rules; a result is nil for an unknown node.
func outcome(unresolvable, reject *group) *Filtered {
	switch {
	case unresolvable == nil || reject == nil:
		return &Filtered{Err: ErrUnknownNode}
	case unresolvable.err != nil:
		return &Filtered{Err: unresolvable.err}
	case reject.err != nil:
		return &Filtered{Err: reject.err, Unresolvable: unresolvable.placed.Reasons()}
	}
	return &Filtered{Reject: reject.placed.Reasons(), Unresolvable: unresolvable.placed.Reasons()}
}

// Scored is the score of one node, 0 to policy.MaxScore.
type Scored struct {
	Score int64
	Err   error // an *policy.EvaluationError or ErrUnknownNode; Score is 0 then
}

// Prioritize returns the score of pod for each node, in the order of nodes. A node that
// is not known is nil. The error is policy.ErrTimeout: the time of the whole call ended.
func Prioritize(ctx context.Context, profile policy.Profile, pod document.Value, nodes []*nodes.Node) ([]Scored, Sharing, error) {
	decided, err := decide(ctx, profile.Placer(policy.Score, pod), nodes, false)
	if err != nil {
		return nil, decided.sharing, err
	}
	out := make([]Scored, len(nodes))
	for i := range nodes {
		if g := decided.group(i); g != nil {
			out[i] = Scored{Score: g.placed.Score(), Err: g.err}
		} else {
			out[i].Err = ErrUnknownNode
		}
	}
	return out, decided.sharing, nil
}

// Sharing counts the work of a call, summed over its rules.
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
	node   *nodes.Node // one of them
	class  policy.Class
	placed policy.Placed
	err    error
}

// decided are the results of one rule for the nodes of a call.
type decided struct {
	groups  []group
	of      []int32 // the group of each node, or unknown
	sharing Sharing
}

// unknown stands for the group of a node that is not known.
const unknown = -1

// group returns the group of node i, nil when the node is not known.
func (d *decided) group(i int) *group {
	if d.of[i] == unknown {
		return nil
	}
	return &d.groups[d.of[i]]
}

// lookEvery is how many nodes are told apart between two looks at the clock.
const lookEvery = 256

// decide evaluates one rule for every node. blind says that the rule reads no field of
// nodes; nodes that are not known then get a decision too.
func decide(ctx context.Context, placer *policy.Placer, nodes []*nodes.Node, blind bool) (decided, error) {
	var (
		d     = decided{of: make([]int32, len(nodes))}
		open  []int // groups to evaluate
		index = map[policy.Class]int32{}
		now   = time.Now()
	)
	for i, node := range nodes {
		if i%lookEvery == 0 && ctx.Err() != nil {
			return d, policy.ErrTimeout
		}
		if node == nil && !blind {
			d.of[i] = unknown
			continue
		}
		class := placer.Class(node)
		at, known := index[class]
		if !known || class == (policy.Class{}) {
			at = int32(len(d.groups)) //nolint:gosec // no more than nodes
			g := group{node: node, class: class}
			var kept bool
			if g.placed, kept = placer.Kept(class, now); !kept {
				open = append(open, len(d.groups))
			}
			d.groups = append(d.groups, g)
			index[class] = at
		}
		d.of[i] = at
		d.sharing.Nodes++
	}
	d.sharing.Classes, d.sharing.Evaluations = len(d.groups), len(open)
	return d, each(ctx, len(open), func(i int) error {
		g := &d.groups[open[i]]
		g.placed, g.err = placer.Decide(ctx, g.node, g.class)
		if errors.Is(g.err, policy.ErrTimeout) {
			return policy.ErrTimeout
		}
		return nil
	})
}

// each calls do for 0 to n-1 over the available processors and stops at the
// first error. A panic of do is passed on in the goroutine of the caller, which
// answers the request.
func each(ctx context.Context, n int, do func(i int) error) error {
	w := work{n: int64(n), do: do}
	for range min(n, runtime.GOMAXPROCS(0)) {
		w.workers.Go(func() { w.run(ctx) })
	}
	w.workers.Wait()
	if w.panicked != nil {
		panic(w.panicked)
	}
	return w.err
}

// work is n tasks that several goroutines take one after the other.
type work struct {
	n       int64
	do      func(i int) error
	next    atomic.Int64
	workers sync.WaitGroup
	// The first error or panic ends the work.
	ended    sync.Once
	err      error
	panicked any
}

func (w *work) run(ctx context.Context) {
	defer func() {
		if panicked := recover(); panicked != nil {
			w.end(nil, panicked)
		}
	}()
	for {
		i := w.next.Add(1) - 1
		if i >= w.n {
			return
		}
		err := w.do(int(i))
		if err == nil && ctx.Err() != nil {
			err = policy.ErrTimeout
		}
		if err != nil {
			w.end(err, nil)
			return
		}
	}
}

func (w *work) end(err error, panicked any) {
	w.ended.Do(func() { w.err, w.panicked = err, panicked })
	w.next.Store(w.n)
}
