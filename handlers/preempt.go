package handlers

import (
	"errors"
	"net/http"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// preempt answers POST /scheduler/preempt with the nodes whose victims may be
// evicted, always as UIDs (ExtenderPreemptionResult). The scheduler knows no
// error in an answer: when a call can't be decided no node is left, and nobody
// is evicted. An HTTP error would be worse, since an ignorable extender is then
// passed over. Neither the map nor a value in it may be null, on which the
// scheduler panics.
func (h *handler) preempt(c *call) {
	p, err := parsePreemption(c.body)
	if err != nil {
		writeStatus(c, http.StatusBadRequest, err.Error())
		return
	}
	defer p.document.Release()
	view, ok := h.currentView(c)
	if !ok {
		return
	}
	ctx := c.sharedContext()
	profile, err := c.endpoint.rules(c.request, view)
	var candidates []scheduling.Candidate
	if err == nil {
		candidates, err = h.candidates(profile, &p)
	}
	if _, malformed := errors.AsType[*podError](err); malformed {
		writeStatus(c, http.StatusBadRequest, err.Error())
		return
	}
	if errors.Is(err, errNotReady) {
		writeStatus(c, http.StatusServiceUnavailable, err.Error())
		return
	}
	var decided []scheduling.Preempted
	if err == nil {
		var work scheduling.Sharing
		decided, work, err = scheduling.Preempt(ctx, profile, p.pod, candidates)
		c.endpoint.countWork(work)
	}
	if err != nil {
		h.failed(Scheduling, preemptVerb, err)
		h.Metrics.decisions.WithLabelValues(string(Scheduling), preemptVerb, "error").Inc()
		writeJSON(c, http.StatusOK, append(appendText([]byte(`{"NodeNameToMetaVictims":{}`), `,"Error":`, err.Error()), '}'))
		return
	}
	outcome := "refused"
	if h.writePreempted(c, &p, decided) > 0 {
		outcome = "accepted"
	}
	h.Metrics.decisions.WithLabelValues(string(Scheduling), preemptVerb, outcome).Inc()
}

var (
	errNoClusterForVictims = &fault{"cluster", errors.New("the call names victims by UID, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster, or set nodeCacheCapable: false on the extender")}
	errNoClusterForNodes   = &fault{"cluster", errors.New("the policy's protect rules read input.node or input.state, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster")}
	errNoPodState          = &fault{"cluster", errors.New("verdict cannot read victims that come whole: set nodeCacheCapable: true on the extender")}
)

// podError is a victim that is no v1 Pod.
type podError struct {
	node string
	err  error
}

// Error implements error.
func (m *podError) Error() string {
	return "NodeNameToVictims[" + printable(m.node) + "]: " + m.err.Error()
}

// candidates are the nodes of the call, as far as the rules need them.
func (h *handler) candidates(profile policy.Profile, p *preemption) ([]scheduling.Candidate, error) {
	out := make([]scheduling.Candidate, len(p.nodes))
	readsNode := profile.ReadsNode(policy.Protect) || profile.ReadsState(policy.Protect)
	switch {
	case h.Cluster != nil:
		// Nothing of it is needed where nothing can be protected.
		if !profile.Defines(policy.Protect) {
			return out, nil
		}
		if !p.whole || readsNode {
			if err := h.recent(); err != nil {
				return nil, err
			}
		}
	case !p.whole:
		return nil, errNoClusterForVictims
	case !profile.Defines(policy.Protect):
		return out, nil
	case readsNode:
		return nil, errNoClusterForNodes
	}
	if h.Cluster != nil {
		names, nodes := make([][]byte, len(out)), make([]*policy.Node, len(out))
		for i := range p.nodes {
			names[i] = p.nodes[i].name
		}
		h.Nodes.Find(names, nodes)
		for i := range out {
			out[i].Node = nodes[i]
		}
	}
	for i := range p.nodes {
		var err error
		if out[i].Victims, err = h.victims(p, &p.nodes[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// victims are the pods to evict from one node; nil where one is not known.
func (h *handler) victims(p *preemption, node *preemptedNode) ([]*policy.PodState, error) {
	out := make([]*policy.PodState, len(node.victims))
	for i, victim := range node.victims {
		if !p.whole {
			out[i], _ = h.Cluster.PodByUID(victim.uid)
			continue
		}
		if h.PodState == nil {
			return nil, errNoPodState
		}
		var err error
		if out[i], err = h.PodState(victim.pod.Raw()); err != nil {
			return nil, &podError{string(node.name), err}
		}
	}
	return out, nil
}

// writePreempted answers with the nodes that are left, and returns how many
// those are.
func (h *handler) writePreempted(c *call, p *preemption, decided []scheduling.Preempted) int {
	counts := map[string]int{}
	var firstError error
	out := []byte(`{"NodeNameToMetaVictims":{`)
	for i := range decided {
		switch outcome := &decided[i]; {
		case outcome.Kept():
			if counts[nodeAccepted] > 0 {
				out = append(out, ',')
			}
			counts[nodeAccepted]++
			out = p.nodes[i].appendTo(out)
		case errors.Is(outcome.Err, scheduling.ErrUnknownNode), errors.Is(outcome.Err, scheduling.ErrUnknownVictim):
			counts[nodeUnknown]++
		case outcome.Err != nil:
			counts[nodeError]++
			if firstError == nil {
				firstError = outcome.Err
			}
		default:
			counts[nodeRejected]++
			c.endpoint.countReasons(outcome.Protect, 1)
		}
	}
	if firstError != nil {
		// One line a call, and nowhere else: the answer has no place for it.
		h.failed(Scheduling, preemptVerb, firstError)
	}
	c.endpoint.countNodes(counts)
	writeJSON(c, http.StatusOK, append(out, `}}`...))
	return counts[nodeAccepted]
}

// appendTo appends the node with its MetaVictims.
func (n *preemptedNode) appendTo(b []byte) []byte {
	b = append(appendQuoted(b, string(n.name)), `:{"Pods":[`...)
	for i, victim := range n.victims {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(append(b, `{"UID":`...), victim.uid), '}')
	}
	b = append(append(b, `],"NumPDBViolations":`...), n.violations...)
	return append(b, '}')
}
