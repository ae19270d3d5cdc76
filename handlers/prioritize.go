package handlers

import (
	"net/http"
	"strconv"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// prioritize answers POST /scheduler/prioritize with a HostPriorityList, which
// has no place for an error: a node that can't be scored gets zero, and the
// cause is counted and logged here, since the scheduler would hide it.
func (h *handler) prioritize(c *call) {
	e, ok := h.decodeExtenderCall(c, policy.Score)
	if !ok {
		return
	}
	defer e.pod.Release()
	decided, err := decideNodes(c, &e, scheduling.Prioritize)
	outcome := "scored"
	if err != nil {
		// No node is better than another when the call as a whole failed.
		decided = make([]scheduling.Scored, len(e.nodes))
		outcome = outcomeError
		h.failed(policy.SchedulingPoint, prioritizeVerb, err)
	}
	h.countCall(prioritizeVerb, outcome)
	counts, list := h.encodeScored(c, &e, decided)
	if err == nil {
		c.endpoint.countNodes(counts)
	}
	writeJSON(c, http.StatusOK, list)
}

// encodeScored makes a k8s.io/kube-scheduler/extender/v1 HostPriorityList, and
// counts the nodes by their outcomes.
func (h *handler) encodeScored(c *call, e *extenderCall, decided []scheduling.Scored) (counts map[string]int, list []byte) {
	counts = map[string]int{}
	var firstError error
	list = append(make([]byte, 0, 64+48*len(decided)), '[')
	for i := range decided {
		list = e.appendScore(list, c.body, i, decided[i].Score)
		switch err := decided[i].Err; err {
		case nil:
			counts["scored"]++
		case scheduling.ErrUnknownNode: //nolint:errorlint // it is never wrapped, and there may be thousands
			counts[nodeUnknown]++
		default:
			counts[nodeError]++
			if firstError == nil {
				firstError = err
			}
		}
	}
	if firstError != nil {
		h.failed(policy.SchedulingPoint, prioritizeVerb, firstError)
	}
	return counts, append(list, ']')
}

// appendScore appends the k8s.io/kube-scheduler/extender/v1 HostPriority of node i.
func (e *extenderCall) appendScore(b, body []byte, i int, score int64) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = append(b, `{"Host":`...)
	b = e.appendName(b, body, i)
	b = strconv.AppendInt(append(b, `,"Score":`...), score, 10)
	return append(b, '}')
}
