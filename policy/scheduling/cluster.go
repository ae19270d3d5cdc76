package scheduling

import (
	"context"
	"errors"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// Cluster is what preemption and binding need to know of the cluster, and do
// in it. It is safe for concurrent use.
type Cluster interface {
	// Nodes carry their state, in which assumed pods are.
	Nodes

	// Stale returns nil while what is known of the cluster is recent enough to
	// decide by, and says since when nothing was heard otherwise.
	Stale() error
	// Active returns nil when this replica binds pods, and says which one does
	// otherwise.
	Active() error

	// PodByUID returns a pod that runs on a node or is assumed to; false for
	// one that is not known. It serves the victims that come as UIDs alone.
	PodByUID(uid string) (*nodes.Pod, bool)
	// PendingPod returns the v1 Pod with that UID as JSON, which is not to be
	// changed, and the node it is bound to already, "" for none. While a Binding of
	// the pod is under way it waits for what comes of it. An error that wraps
	// ErrNoPod says that there is none, and ErrPodEnded that it runs nowhere any
	// more. Errors say which pod.
	PendingPod(ctx context.Context, namespace, name, uid string) (text []byte, bound string, err error)

	// LockNode lets one caller at a time decide about the node, in the order in
	// which they came. It is not to be held while the API server is asked. unlock
	// must be called once; it is nil when err, that of ctx, is not.
	LockNode(ctx context.Context, node string) (unlock func(), err error)
	// Assume counts the pod, a v1 Pod as JSON, as running on the node with these
	// annotations added, from now until it is seen there, forget is called, or it
	// expires. An error that wraps ErrUnderWay says that another call has assumed
	// it and is binding it. Where it is not known whether an earlier Binding to
	// that node took place, the annotations of that one stay.
	Assume(pod []byte, node string, annotations map[string]string) (forget func(), err error)
	// Bind creates the v1 Binding of a pod that Assume was called for, which adds
	// the annotations to the pod. It returns nil too when the pod is bound to that
	// node already. An error that wraps ErrBindUnknown leaves open whether it
	// took place; the Binding may go on after ctx is done, and what is assumed
	// ends by itself. Errors say which pod and node.
	Bind(ctx context.Context, namespace, name, uid, node string, annotations map[string]string) error
}

var (
	// ErrNoPod says that there is no pod of that name and UID.
	ErrNoPod = errors.New("no such pod")
	// ErrPodEnded says that the pod has Succeeded or Failed.
	ErrPodEnded = errors.New("the pod has ended")
	// ErrBindUnknown says that a Binding may have been created all the same: the
	// answer got lost, or did not come in time. The pod stays assumed then.
	ErrBindUnknown = errors.New("whether the pod was bound is not known")
	// ErrUnderWay says that another call is binding the pod.
	ErrUnderWay = errors.New("another call is binding the pod")
)

// AssumedStats counts assumed pods.
type AssumedStats struct {
	// Assumed is how many there are now.
	Assumed int
	// Confirmed, Expired and Forgotten are how many there were, by how it ended:
	// the pod was seen on its node, it was not in time, or it was not bound.
	Confirmed, Expired, Forgotten uint64
}
