package handlers

import (
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
)

// extenderCall is k8s.io/kube-scheduler/extender/v1 ExtenderArgs: a pod and
// either whole nodes or the names of nodes.
type extenderCall struct {
	view *policy.View
	pod  *policy.JSON
	// nodes are those of the call, in its order; nil where one is not known.
	nodes []*policy.Node
	// items are the nodes as they came: names with their quotes, or whole.
	items []item
	// whole says that nodes came whole.
	whole bool
}

// errNoCluster answers the names form when there is nothing to look names up in.
var errNoCluster = errors.New("the call names nodes, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster, or set nodeCacheCapable: false on the extender")

// readExtenderCall reads the body. ok is false when the answer has been
// written. err is set when the call is well-formed but can't be decided.
func (h *handler) readExtenderCall(c *call) (e extenderCall, ok bool, err error) {
	args, err := scanExtenderArgs(c.body, h.knownNodes)
	if err == nil {
		e, err = parseExtenderArgs(c.body, args)
	}
	if err != nil {
		writeStatus(c, http.StatusBadRequest, err.Error())
		return e, false, nil
	}
	if e.view = h.Revisions.View(); e.view == nil {
		e.pod.Release()
		writeStatus(c, http.StatusServiceUnavailable, policy.ErrNoRevision.Error())
		return e, false, nil
	}
	if e.whole {
		return e, true, nil
	}
	if h.Nodes == nil {
		return e, true, errNoCluster
	}
	if err := h.Nodes.Ready(); err != nil {
		e.pod.Release()
		h.Log.Warn("extender call refused: the nodes have not been read yet", zap.Error(err))
		writeStatus(c, http.StatusServiceUnavailable, "the nodes of the cluster have not been read yet")
		return e, false, nil
	}
	h.Nodes.Find(args.names, e.nodes)
	return e, true, nil
}

// parseExtenderArgs reads the pod and checks the nodes.
func parseExtenderArgs(body []byte, args extenderArgs) (e extenderCall, err error) {
	if args.pod.absent() {
		return e, at("Pod", errMissing)
	}
	if e.pod, err = policy.ParseObject(args.pod.of(body)); err != nil {
		return e, at("Pod", policy.Later(err, args.pod.start))
	}
	switch {
	case args.whole && args.names != nil:
		err = at("Nodes", errors.New("send either these or NodeNames, not both"))
	case args.whole:
		e.whole, e.items, e.nodes = true, args.items, args.nodes
		err = checkNodes(e.nodes)
	case args.names != nil:
		e.items, e.nodes = args.items, make([]*policy.Node, len(args.items))
		err = checkNames(args.names)
	default:
		err = at("Nodes", errors.New("is missing, and so is NodeNames: send one"))
	}
	if err != nil {
		e.pod.Release()
	}
	return e, err
}

// checkNodes refuses names that come twice.
func checkNodes(nodes []*policy.Node) error {
	seen := make(map[string]bool, len(nodes))
	for i, node := range nodes {
		if seen[node.Name()] {
			return fmt.Errorf("%s[%d].metadata.name: every node needs a name of its own", nodeItems, i)
		}
		seen[node.Name()] = true
	}
	return nil
}
