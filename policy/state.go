package policy

import "time"

// NodeState is what is known of a node beyond its object: what rules of
// scheduling see as input.state. It must not be changed once a Node has it.
//
// Quantities are whole numbers: of milli-CPUs for cpu, of bytes or pieces for
// all else.
type NodeState struct {
	// Allocatable is the node's status.allocatable, by v1 ResourceName.
	Allocatable map[string]int64
	// Requested is what the pods on the node request together, as kube-scheduler
	// counts it; "pods" is their number.
	Requested map[string]int64
	// Pods are those on the node that have not ended, assumed ones included,
	// sorted by namespace and name.
	Pods []*PodState
}

// PodState is what is known of a pod on a node: an item of input.state.pods,
// and input.victim. It must not be changed once a NodeState has it.
type PodState struct {
	Namespace, Name, UID string
	Labels               map[string]string
	// Annotations are those that the configuration lists.
	Annotations map[string]string
	Priority    int32
	// OwnerKind and OwnerName are those of its controller, "" without one.
	OwnerKind, OwnerName string
	// Requests is what the pod counts for on its node; see NodeState.
	Requests map[string]int64
	// Created is metadata.creationTimestamp.
	Created time.Time
	// Assumed says that the pod was sent to the node and has not been seen
	// there yet.
	Assumed bool
}

// StateReads says which parts of input.state and input.victim rules may read:
// nobody needs to know the others.
type StateReads struct {
	// State says that something of it is read at all.
	State bool
	// Requested is what allocatable, requested, free and quantities are made of.
	Requested bool
	// Pods is the list; the others are parts of its items.
	Pods, Labels, Annotations, Owners, Requests bool
}

// WithState is the same node with another state; nil for none. The classes of
// rules that read no state stay known.
func (n *Node) WithState(state *NodeState) *Node {
	return &Node{name: n.name, text: n.text, state: state}
}

// State is what the node was given by WithState, nil for nothing.
func (n *Node) State() *NodeState { return n.state }

// ReadsState says what the rules of the current revision may read of states.
func (e *Engine) ReadsState() StateReads {
	view := e.View()
	if view == nil {
		return StateReads{}
	}
	return StateReads{State: true, Requested: true, Pods: true, Labels: true, Annotations: true, Owners: true, Requests: true}
}
