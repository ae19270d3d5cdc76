package scheduling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Binding is a pod that is to run on a node: k8s.io/kube-scheduler/extender/v1
// ExtenderBindingArgs.
type Binding struct {
	Namespace, Name, UID string // of the pod
	Node                 string
}

// Bound is the result of a Binding.
type Bound struct {
	// Deny are the policy's reasons not to bind the pod: the reasons of unresolvable,
	// or of deny when unresolvable gives none. They are sorted and must not be changed.
	Deny []string
	// Before says that the pod was already bound to the node: a scheduler that got no
	// answer calls again.
	Before bool
}

// Bind binds a pod to a node, unless the policy denies it. Decisions about one node are
// made one after the other. Each sees the pods of earlier decisions in the node's state,
// so two pods never get the same device. The requests to the API server run at the same
// time: a pod is assumed on its node before the next decision.
//
// The pod is bound when Bound.Deny is empty and the error is nil. When the error wraps
// ErrBindUnknown, the pod may be bound too. An error that wraps policy.ErrTimeout says
// for which step the time was too short.
func Bind(ctx context.Context, profile policy.Profile, cluster Cluster, b Binding) (Bound, Sharing, error) {
	needed := timeToBind(ctx)
	var work Sharing
	for {
		bound, assumed, err := prepare(ctx, profile, cluster, b, needed, &work)
		switch {
		case errors.Is(err, ErrUnderWay):
			// Another call binds the pod; PendingPod waits for its result.
			if err := pause(ctx, betweenAttempts); err != nil {
				return Bound{}, work, outOfTime("waiting for another call that binds pod %s/%s", b.Namespace, b.Name)
			}
			continue
		case err != nil || assumed == nil:
			return bound, work, err
		}
		return Bound{}, work, create(ctx, cluster, b, *assumed)
	}
}

// betweenAttempts is the pause before a call tries again after another call for the same pod.
const betweenAttempts = 5 * time.Millisecond

// assumption is a pod that is assumed on its node and has to be bound.
type assumption struct {
	annotations map[string]string
	forget      func()
}

// prepare decides about the pod and assumes it on the node. It locks the node while it
// does so. When it returns neither an error nor an assumption, there is nothing to bind.
func prepare(ctx context.Context, profile policy.Profile, cluster Cluster, b Binding, needed time.Duration, work *Sharing) (Bound, *assumption, error) {
	if err := mayBind(cluster); err != nil {
		return Bound{}, nil, err
	}
	text, on, err := cluster.PendingPod(ctx, b.Namespace, b.Name, b.UID)
	switch {
	case err != nil && ctx.Err() != nil:
		return Bound{}, nil, outOfTime("before the pod was known: %w", err)
	case err != nil:
		return Bound{}, nil, err
	case on == b.Node:
		return Bound{Before: true}, nil, nil
	case on != "":
		return Bound{}, nil, fmt.Errorf("pod %s/%s is bound to another node, %s", b.Namespace, b.Name, on)
	}
	unlock, err := cluster.LockNode(ctx, b.Node)
	if err != nil {
		return Bound{}, nil, outOfTime("waiting for other decisions about node %s", b.Node)
	}
	defer unlock()
	// The call may have waited long for other calls.
	if err := mayBind(cluster); err != nil {
		return Bound{}, nil, err
	}
	if known, ok := cluster.PodByUID(b.UID); ok && !known.Assumed {
		return Bound{}, nil, ErrUnderWay // another call has bound it meanwhile
	}
	node, err := find(cluster, b)
	if err != nil {
		return Bound{}, nil, err
	}
	denied, annotations, err := decideBinding(ctx, profile, text, node, b, work)
	if err != nil || len(denied) > 0 {
		return Bound{Deny: denied}, nil, err
	}
	if ctx.Err() != nil {
		return Bound{}, nil, outOfTime("before the Binding of pod %s/%s, which was not begun", b.Namespace, b.Name)
	}
	if left, limited := timeLeft(ctx); limited && left < needed {
		return Bound{}, nil, outOfTime("before the Binding of pod %s/%s, which was not created: at least %s must be left to see its result, and %s were left", b.Namespace, b.Name, needed, left)
	}
	forget, err := cluster.Assume(text, b.Node, annotations)
	if err != nil {
		return Bound{}, nil, fmt.Errorf("assuming pod %s/%s on node %s: %w", b.Namespace, b.Name, b.Node, err)
	}
	return Bound{}, &assumption{annotations: annotations, forget: forget}, nil
}

// create binds the assumed pod to the node. When the pod was certainly not bound, it is
// assumed no longer.
func create(ctx context.Context, cluster Cluster, b Binding, assumed assumption) error {
	err := cluster.Bind(ctx, b.Namespace, b.Name, b.UID, b.Node, assumed.annotations)
	if err != nil && !errors.Is(err, ErrBindUnknown) {
		assumed.forget()
	}
	return err
}

func mayBind(cluster Cluster) error {
	if err := cluster.Active(); err != nil {
		return err
	}
	return cluster.Stale()
}

// find returns the node, in a state without the pod itself, so that a retry is decided
// like the first call.
func find(cluster Cluster, b Binding) (*nodes.Node, error) {
	var found [1]*nodes.Node
	cluster.Find([][]byte{[]byte(b.Node)}, found[:])
	node := found[0]
	if node == nil {
		return nil, fmt.Errorf("node %s: %w", b.Node, ErrUnknownNode)
	}
	LeaveOutAssumed(cluster, b.UID, found[:])
	return found[0], nil
}

// decideBinding asks the policy whether the pod may be bound and which annotations it
// gets.
func decideBinding(ctx context.Context, profile policy.Profile, text []byte, node *nodes.Node, b Binding, work *Sharing) (denied []string, annotations map[string]string, err error) {
	document, err := document.ParseObject(text)
	if err != nil {
		return nil, nil, fmt.Errorf("pod %s/%s: %w", b.Namespace, b.Name, err)
	}
	defer document.Release()
	pod := document.Root()
	if metadata := pod.Get("metadata"); !metadata.Is("uid", b.UID) {
		return nil, nil, fmt.Errorf("pod %s/%s has another UID than %s: %w", b.Namespace, b.Name, b.UID, ErrNoPod)
	}
	ask := func(rule policy.SchedulingRule) (policy.Placed, error) {
		placed, kept, err := place(ctx, profile.Placer(rule, pod), node)
		one := Sharing{Nodes: 1, Classes: 1}
		if !kept {
			one.Evaluations = 1
		}
		work.add(one)
		if err != nil && ctx.Err() != nil {
			err = policy.ErrTimeout
		}
		return placed, err
	}
	// The node, the pod or the policy may have changed since the filter call, so
	// unresolvable is evaluated again.
	rules := []policy.SchedulingRule{policy.Unresolvable, policy.BindDeny}
	if !profile.Defines(policy.Unresolvable) {
		rules = rules[1:]
	}
	for _, rule := range rules {
		placed, err := ask(rule)
		if denied = placed.Reasons(); err != nil || len(denied) > 0 {
			return denied, nil, err
		}
	}
	placed, err := ask(policy.BindAnnotate)
	if err != nil {
		return nil, nil, err
	}
	return nil, placed.Annotations(), nil
}
