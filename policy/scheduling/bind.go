package scheduling

import (
	"context"
	"errors"
	"fmt"

	"github.com/verdict-dev/verdict/policy"
)

// Binding is a pod that is to run on a node: k8s.io/kube-scheduler/extender/v1
// ExtenderBindingArgs.
type Binding struct {
	Namespace, Name, UID string // of the pod
	Node                 string
}

// Bound is what became of a Binding.
type Bound struct {
	// Deny are reasons of the policy not to bind the pod. Sorted, and not to be
	// changed.
	Deny []string
	// Before says that the pod was bound to the node already: a scheduler that
	// got no answer asks again.
	Before bool
}

// Bind binds a pod to a node, unless the policy denies it. Decisions about one
// node come one after the other, and each sees the pods of those before it in
// the node's state: two pods never get the same device.
//
// The pod is bound when neither Bound.Deny nor the error says otherwise. When
// the error wraps ErrBindUnknown it may be all the same.
func Bind(ctx context.Context, profile policy.Profile, cluster Cluster, b Binding) (Bound, Sharing, error) {
	if err := mayBind(cluster); err != nil {
		return Bound{}, Sharing{}, err
	}
	unlock, err := cluster.LockNode(ctx, b.Node)
	if err != nil {
		return Bound{}, Sharing{}, timeout(ctx, fmt.Errorf("waiting for other decisions about node %s: %w", b.Node, err))
	}
	defer unlock()
	// Others may have taken their time.
	if err := mayBind(cluster); err != nil {
		return Bound{}, Sharing{}, err
	}
	text, bound, err := cluster.PendingPod(ctx, b.Namespace, b.Name, b.UID)
	switch {
	case err != nil:
		return Bound{}, Sharing{}, timeout(ctx, fmt.Errorf("pod %s/%s: %w", b.Namespace, b.Name, err))
	case bound == b.Node:
		return Bound{Before: true}, Sharing{}, nil
	case bound != "":
		return Bound{}, Sharing{}, fmt.Errorf("pod %s/%s is bound to another node, %s", b.Namespace, b.Name, bound)
	}
	node, err := find(cluster, b)
	if err != nil {
		return Bound{}, Sharing{}, err
	}
	denied, annotations, work, err := decideBinding(ctx, profile, text, node, b)
	if err != nil || len(denied) > 0 {
		return Bound{Deny: denied}, work, err
	}
	return Bound{}, work, assumeAndBind(ctx, cluster, text, b, annotations)
}

func mayBind(cluster Cluster) error {
	if err := cluster.Active(); err != nil {
		return err
	}
	return cluster.Stale()
}

// find returns the node, in a state without the pod itself: a retry is decided
// as the first call was.
func find(cluster Nodes, b Binding) (*policy.Node, error) {
	var found [1]*policy.Node
	cluster.Find([][]byte{[]byte(b.Node)}, found[:])
	node := found[0]
	if node == nil {
		return nil, fmt.Errorf("node %s: %w", b.Node, ErrUnknownNode)
	}
	if state := node.State(); state != nil {
		if reduced := state.Without(b.UID); reduced != state {
			node = node.WithState(reduced)
		}
	}
	return node, nil
}

// decideBinding asks the policy whether the pod may be bound, and what
// annotations it gets.
func decideBinding(ctx context.Context, profile policy.Profile, text []byte, node *policy.Node, b Binding) (denied []string, annotations map[string]string, work Sharing, err error) {
	document, err := policy.ParseObject(text)
	if err != nil {
		return nil, nil, work, fmt.Errorf("pod %s/%s: %w", b.Namespace, b.Name, err)
	}
	defer document.Release()
	pod := document.Root()
	if metadata := pod.Get("metadata"); !metadata.Is("uid", b.UID) {
		return nil, nil, work, fmt.Errorf("pod %s/%s has another UID than %s: %w", b.Namespace, b.Name, b.UID, ErrNoPod)
	}
	ask := func(rule policy.SchedulingRule) (policy.Placed, error) {
		placed, kept, err := place(ctx, profile.Placer(rule, pod), node)
		one := Sharing{Nodes: 1, Classes: 1}
		if !kept {
			one.Evaluations = 1
		}
		work.add(one)
		return placed, timeout(ctx, err)
	}
	placed, err := ask(policy.BindDeny)
	if denied = placed.Reasons(); err != nil || len(denied) > 0 {
		return denied, nil, work, err
	}
	if placed, err = ask(policy.BindAnnotate); err != nil {
		return nil, nil, work, err
	}
	return nil, placed.Annotations(), work, nil
}

// assumeAndBind counts the pod as running on the node and binds it. What it
// counted is forgotten where the pod was surely not bound.
func assumeAndBind(ctx context.Context, cluster Cluster, text []byte, b Binding, annotations map[string]string) error {
	if ctx.Err() != nil {
		return policy.ErrTimeout
	}
	forget, err := cluster.Assume(text, b.Node, annotations)
	if err != nil {
		return fmt.Errorf("assuming pod %s/%s on node %s: %w", b.Namespace, b.Name, b.Node, err)
	}
	err = cluster.Bind(ctx, b.Namespace, b.Name, b.UID, b.Node, annotations)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrBindUnknown):
		forget()
	}
	return fmt.Errorf("binding pod %s/%s to node %s: %w", b.Namespace, b.Name, b.Node, err)
}

// timeout is policy.ErrTimeout where err came because there is no more time.
func timeout(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return policy.ErrTimeout
	}
	return err
}
