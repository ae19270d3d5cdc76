package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// extenderCall is k8s.io/kube-scheduler/extender/v1 ExtenderArgs: a pod and
// either whole nodes or the names of nodes.
type extenderCall struct {
	profile policy.Profile
	pod     *document.Document
	// nodes are those of the call, in its order; nil where one is not known.
	nodes []*nodes.Node
	// items are the nodes as they came: names with their quotes, or whole.
	items []document.Part
	// whole says that nodes came whole.
	whole bool
	// undecidable is why a call that is well-formed can't be decided; nil when it can.
	undecidable error
}

// The verbs of the scheduler extender.
const (
	filterVerb     = "filter"
	prioritizeVerb = "prioritize"
	preemptVerb    = "preempt"
	bindVerb       = "bind"
)

// The names in the metrics of those profiles that have none. Neither can be a
// configured one's.
const (
	defaultProfile = "default"
	unknownProfile = "(unknown)"
)

// errNoCluster answers the names form when there is nothing to look names up in.
var errNoCluster = &fault{"cluster", errors.New("the call names nodes, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster, or set nodeCacheCapable: false on the extender")}

// errNotReady is answered 503: what is missing comes by itself.
var errNotReady = errors.New("the nodes of the cluster have not been read yet")

// rules is the profile that the call is for.
func (e *endpoint) rules(r *http.Request, view *policy.View) (policy.Profile, error) {
	if e.profile == defaultProfile {
		return view.DefaultProfile(), nil
	}
	profile, ok := view.Profile(e.profile)
	if !ok {
		name := e.profile
		if name == unknownProfile {
			name = chi.URLParam(r, "profile")
		}
		return profile, &fault{"profile", fmt.Errorf("there is no profile %s: add it to scheduling.profiles", printable(name))}
	}
	return profile, nil
}

// recent returns nil when the cluster, which there is, is known well enough to
// decide by: errNotReady before it was read, or a fault when that was long ago.
func (h *handler) recent() error {
	if err := h.Nodes.Ready(); err != nil {
		h.Log.Warn("extender call refused: the nodes have not been read yet", zap.Error(err))
		return errNotReady
	}
	if h.Cluster == nil {
		return nil
	}
	if err := h.Cluster.Stale(); err != nil {
		return &fault{"stale", err}
	}
	return nil
}

// currentView is what to decide by; false when the answer has been written.
func (h *handler) currentView(c *call) (*policy.View, bool) {
	view := h.Revisions.View()
	if view == nil {
		writeStatus(c, http.StatusServiceUnavailable, policy.ErrNoRevision.Error())
	}
	return view, view != nil
}

// decodeExtenderCall reads a call that rules decide; the caller releases its pod.
// It is false when the answer has been written.
func (h *handler) decodeExtenderCall(c *call, rules ...policy.SchedulingRule) (e extenderCall, ok bool) {
	var args extenderArgs
	_, err := c.values()
	if err == nil {
		args, err = scanExtenderArgs(c, c.body, h.knownNodes)
	}
	if err == nil {
		e, err = parseExtenderArgs(c, c.body, args)
	}
	if err != nil {
		c.refuse(err)
		return e, false
	}
	view, ok := h.currentView(c)
	if !ok {
		e.pod.Release()
		return e, false
	}
	if e.profile, e.undecidable = c.endpoint.rules(c.request, view); e.undecidable != nil {
		return e, true
	}
	err = h.lookUp(&e, args.names, rules)
	if h.Cluster != nil {
		// Where it is not known whether an earlier call bound it, it is assumed.
		uid, _ := e.pod.Root().Get("metadata").String("uid")
		scheduling.LeaveOutAssumed(h.Cluster, uid, e.nodes)
	}
	if errors.Is(err, errNotReady) {
		e.pod.Release()
		writeStatus(c, http.StatusServiceUnavailable, err.Error())
		return e, false
	}
	e.undecidable = err
	return e, true
}

// decideNodes decides the nodes of a call.
func decideNodes[Decided any](c *call, e *extenderCall,
	decide func(context.Context, policy.Profile, document.Value, []*nodes.Node) ([]Decided, scheduling.Sharing, error),
) ([]Decided, error) {
	if e.undecidable != nil {
		return nil, e.undecidable
	}
	decided, work, err := decide(c.sharedContext(), e.profile, e.pod.Root(), e.nodes)
	c.endpoint.countWork(work)
	return decided, err
}

// countCall counts an extender call by its outcome.
func (h *handler) countCall(verb, outcome string) {
	h.Metrics.decisions.WithLabelValues(policy.SchedulingPoint.String(), verb, outcome).Inc()
}

// The outcomes of extender calls in the metrics: of filter and preempt whether a
// node is left.
const (
	callAccepted = "accepted"
	callRefused  = "refused"
)

// lookUp finds the nodes that the call names, and those it sends whole that the
// cluster has too where rules read what is known of them beyond that.
func (h *handler) lookUp(e *extenderCall, names [][]byte, rules []policy.SchedulingRule) error {
	if e.whole {
		if h.Nodes == nil || !e.profile.ReadsState(rules...) {
			return nil
		}
		if err := h.recent(); err != nil {
			return err
		}
		scheduling.Recognize(e.profile, h.Nodes, e.nodes, rules...)
		return nil
	}
	if h.Nodes == nil {
		return errNoCluster
	}
	if err := h.recent(); err != nil {
		return err
	}
	h.Nodes.Find(names, e.nodes)
	return nil
}

// parseExtenderArgs reads the pod and checks the nodes.
func parseExtenderArgs(c *call, body []byte, args extenderArgs) (e extenderCall, err error) {
	if args.pod.Absent() {
		return e, at("Pod", errMissing)
	}
	text := args.pod.Of(body)
	if err := c.take(2*len(text) + (indexedValue+decodedValue)*args.podValues); err != nil {
		return e, err
	}
	if e.pod, err = document.ParseObjectUntil(c.until(), text); err != nil {
		return e, at("Pod", document.Later(err, args.pod.Start))
	}
	switch {
	case args.whole && args.names != nil:
		err = at("Nodes", errors.New("send either these or NodeNames, not both"))
	case args.whole:
		e.whole, e.items, e.nodes = true, args.items, args.nodes
		err = checkNodes(e.nodes)
	case args.names != nil:
		e.items, e.nodes = args.items, make([]*nodes.Node, len(args.items))
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
func checkNodes(list []*nodes.Node) error {
	seen := make(map[string]bool, len(list))
	for i, node := range list {
		if seen[node.Name()] {
			return fmt.Errorf("%s[%d].metadata.name: every node needs a name of its own", nodeItems, i)
		}
		seen[node.Name()] = true
	}
	return nil
}
