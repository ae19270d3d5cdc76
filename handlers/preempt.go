package handlers

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// preempt answers POST /scheduler/preempt with the nodes whose victims may be
// evicted, always as UIDs (ExtenderPreemptionResult). The scheduler knows no
// error in an answer: when a call can't be decided no node is left, and no pod
// is evicted. An HTTP error would be worse, since an ignorable extender is then
// passed over. Neither the map nor a value in it may be null, on which the
// scheduler panics.
func (h *handler) preempt(c *call) {
	p, ok := h.decodePreemption(c)
	if !ok {
		return
	}
	defer p.document.Release()
	decided, err := p.decide(c)
	if err != nil {
		h.failed(policy.SchedulingPoint, preemptVerb, err)
		h.countCall(preemptVerb, outcomeError)
		writeJSON(c, http.StatusOK, append(appendText([]byte(`{"NodeNameToMetaVictims":{}`), `,"Error":`, err.Error()), '}'))
		return
	}
	outcome := callRefused
	if h.encodePreempted(c, &p, decided) > 0 {
		outcome = callAccepted
	}
	h.countCall(preemptVerb, outcome)
}

// preemptionCall is a preemption with what is known of its nodes.
type preemptionCall struct {
	preemption
	profile    policy.Profile
	candidates []scheduling.Candidate
	// undecidable is why a call that is well-formed can't be decided; nil when it can.
	undecidable error
}

// decodePreemption reads a call; the caller releases its document. It is false when
// the answer has been written.
func (h *handler) decodePreemption(c *call) (p preemptionCall, ok bool) {
	var err error
	if p.preemption, err = parsePreemption(c); err != nil {
		c.refuse(err)
		return p, false
	}
	view, ok := h.currentView(c)
	if !ok {
		p.document.Release()
		return p, false
	}
	if p.profile, err = c.endpoint.rules(c.request, view); err == nil {
		p.candidates, err = h.candidates(p.profile, &p.preemption)
	}
	_, malformed := errors.AsType[*podError](err)
	switch {
	case malformed:
		writeStatus(c, http.StatusBadRequest, err.Error())
	case errors.Is(err, errNotReady):
		writeStatus(c, http.StatusServiceUnavailable, err.Error())
	default:
		p.undecidable = err
		return p, true
	}
	p.document.Release()
	return p, false
}

func (p *preemptionCall) decide(c *call) ([]scheduling.Preempted, error) {
	if p.undecidable != nil {
		return nil, p.undecidable
	}
	decided, work, err := scheduling.Preempt(c.sharedContext(), p.profile, p.pod, p.candidates)
	c.endpoint.countWork(work)
	return decided, err
}

var (
	errNoClusterForVictims = &fault{"cluster", errors.New("the call names victims by UID, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster, or set nodeCacheCapable: false on the extender")}
	errNoClusterForNodes   = &fault{"cluster", errors.New("rules of the policy that preempt asks, which are unresolvable, reject and protect, read input.node or input.state, and verdict is not connected to a cluster: set cluster.kubeconfig or cluster.inCluster")}
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
	rules := scheduling.PreemptRules()
	readsNode := profile.ReadsNode(rules...) || profile.ReadsState(rules...)
	switch {
	case h.Cluster != nil:
		// Nothing of it is needed where nothing can be refused.
		if !profile.Defines(rules...) {
			return out, nil
		}
		if !p.whole || readsNode {
			if err := h.recent(); err != nil {
				return nil, err
			}
		}
	case !p.whole:
		return nil, errNoClusterForVictims
	case !profile.Defines(rules...):
		return out, nil
	case readsNode:
		return nil, errNoClusterForNodes
	}
	if h.Cluster != nil {
		names, nodes := make([][]byte, len(out)), make([]*nodes.Node, len(out))
		for i := range p.nodes {
			names[i] = p.nodes[i].name
		}
		h.Nodes.Find(names, nodes)
		for i := range out {
			out[i].Node = nodes[i]
		}
	}
	if !scheduling.NeedsVictims(profile) {
		return out, nil
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
func (h *handler) victims(p *preemption, node *preemptedNode) ([]*nodes.Pod, error) {
	out := make([]*nodes.Pod, len(node.victims))
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

// encodePreempted answers with the nodes that are left, and returns how many
// those are.
func (h *handler) encodePreempted(c *call, p *preemptionCall, decided []scheduling.Preempted) int {
	dropped := dropped{outcomes: map[string]int{}, reasons: map[string]int{}}
	out, kept := []byte(`{"NodeNameToMetaVictims":{`), 0
	for i := range decided {
		if !decided[i].Kept() {
			dropped.add(&decided[i])
			continue
		}
		if kept++; kept > 1 {
			out = append(out, ',')
		}
		out = p.nodes[i].appendTo(out)
	}
	if dropped.err != nil {
		// One line a call, and nowhere else: the answer has no place for it.
		h.failed(policy.SchedulingPoint, preemptVerb, dropped.err)
	}
	if kept < len(decided) {
		h.Log.Info("preemption: nodes dropped, where no pod is evicted for this one", append(dropped.fields(),
			zap.String("profile", c.endpoint.profile), zap.String("pod", podNameOf(p.pod)), zap.Int("left", kept))...)
	}
	for reason, nodes := range dropped.reasons {
		c.endpoint.countReasons([]string{reason}, nodes)
	}
	dropped.outcomes[nodeAccepted] = kept
	c.endpoint.countNodes(dropped.outcomes)
	writeJSON(c, http.StatusOK, append(out, `}}`...))
	return kept
}

// dropped counts why nodes are no candidates: neither the answer nor an event of
// the scheduler has a place for it.
type dropped struct {
	outcomes, reasons map[string]int // nodes
	err               error          // the first
}

func (d *dropped) add(node *scheduling.Preempted) {
	outcome := nodeRejected
	switch {
	case errors.Is(node.Err, scheduling.ErrUnknownNode), errors.Is(node.Err, scheduling.ErrUnknownVictim):
		outcome = nodeUnknown
	case node.Err != nil:
		outcome = nodeError
		if d.err == nil {
			d.err = node.Err
		}
	case len(node.Unresolvable) > 0:
		outcome = nodeUnresolvable
	}
	d.outcomes[outcome]++
	for _, reason := range slices.Concat(node.Unresolvable, node.Reject, node.Protect) {
		d.reasons[reason]++
	}
}

// mostLogged is how many of the reasons are in the log.
const mostLogged = 10

func (d *dropped) fields() []zap.Field {
	var out []zap.Field
	for _, outcome := range []string{nodeUnresolvable, nodeRejected, nodeUnknown, nodeError} {
		if n := d.outcomes[outcome]; n > 0 {
			out = append(out, zap.Int(outcome, n))
		}
	}
	// Those of the most nodes.
	reasons := slices.SortedFunc(maps.Keys(d.reasons), func(a, b string) int {
		if c := d.reasons[b] - d.reasons[a]; c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	texts := make([]string, 0, mostLogged)
	for _, reason := range reasons[:min(len(reasons), mostLogged)] {
		texts = append(texts, printable(reason))
	}
	if len(texts) > 0 {
		out = append(out, zap.Strings("reasons", texts))
	}
	return out
}

// podNameOf is namespace and name of a pod, for the log.
func podNameOf(pod document.Value) string {
	metadata := pod.Get("metadata")
	namespace, _ := metadata.Get("namespace").Text()
	name, _ := metadata.Get("name").Text()
	return printable(namespace + "/" + name)
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
