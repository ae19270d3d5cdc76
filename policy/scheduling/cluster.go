package scheduling

import (
	"context"
	"errors"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// Cluster has the data of the cluster that preemption and binding read, and the changes
// that they make. It is safe for concurrent use.
type Cluster interface {
	// Nodes are the nodes with their states. The states include assumed pods.
	Nodes

	// Stale returns nil while the data is recent enough for decisions. Otherwise the
	// error says since when no event has come.
	Stale() error
	// Active returns nil when this replica binds pods. Otherwise the error says which
	// replica does.
	Active() error

	// PodByUID returns a pod that runs on a node or is assumed on a node; false for a
	// pod that is not known. It is for calls that give only the UIDs of victims.
	PodByUID(uid string) (*nodes.Pod, bool)
	// PendingPod returns the v1 Pod with that UID as JSON, which must not be changed,
	// and the node to which it is already bound, "" for none. While another call binds
	// the pod, PendingPod waits for its result. The error wraps ErrNoPod when there is
	// no such pod, and ErrPodEnded when the pod has ended. Errors name the pod.
	PendingPod(ctx context.Context, namespace, name, uid string) (text []byte, bound string, err error)

	// LockNode lets one caller at a time decide about the node, in the order of their
	// calls. Do not hold the lock during a request to the API server. unlock must be
	// called once. When ctx ends first, err is its error and unlock is nil.
	LockNode(ctx context.Context, node string) (unlock func(), err error)
	// Assume counts the pod, a v1 Pod as JSON, as running on the node with these
	// annotations added. This ends when the pod is seen on the node, when forget is
	// called, or when the time for it expires. An error that wraps ErrUnderWay says that
	// another call has assumed the pod and is binding it. When it is not known whether
	// an earlier Binding to that node was created, the annotations of that Binding stay.
	Assume(pod []byte, node string, annotations map[string]string) (forget func(), err error)
	// Bind creates the v1 Binding of a pod for which Assume was called. The Binding adds
	// the annotations to the pod. Bind also returns nil when the pod is already bound to
	// that node. An error that wraps ErrBindUnknown says that the Binding may have been
	// created, or may be created after ctx is done; the assumed pod then expires without
	// a call of forget. Errors name the pod and the node.
	Bind(ctx context.Context, namespace, name, uid, node string, annotations map[string]string) error
}

var (
	// ErrNoPod says that there is no pod of that name and UID.
	ErrNoPod = errors.New("no such pod")
	// ErrPodEnded says that the pod has Succeeded or Failed.
	ErrPodEnded = errors.New("the pod has ended")
	// ErrBindUnknown says that a Binding may have been created although the call failed:
	// the answer was lost or came too late. The pod then stays assumed.
	ErrBindUnknown = errors.New("whether the pod was bound is not known")
	// ErrUnderWay says that another call is binding the pod.
	ErrUnderWay = errors.New("another call is binding the pod")
)

// AssumedStats counts assumed pods.
type AssumedStats struct {
	// Assumed is how many pods are assumed now.
	Assumed int
	// Confirmed, Expired and Forgotten are how many pods are no longer assumed: they
	// were seen on their node, were not seen there in time, or were not bound.
	Confirmed, Expired, Forgotten uint64
}
