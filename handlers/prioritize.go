package handlers

import (
	"errors"
	"net/http"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// prioritize answers POST /scheduler/prioritize with a HostPriorityList, which
// has no place for an error: a node that can't be scored gets zero, and the
// cause is counted and logged here, since the scheduler would hide it.
func (h *handler) prioritize(w http.ResponseWriter, r *http.Request) {
	args, revision, ok := h.readExtenderArgs(w, r)
	if !ok {
		return
	}
	var decided []scheduling.Scored
	err := args.err
	if err == nil {
		decided, err = scheduling.Prioritize(r.Context(), revision, args.pod, args.nodes)
	}
	outcome := "scored"
	if err != nil {
		// No node is better than another when the call as a whole failed.
		decided = make([]scheduling.Scored, len(args.nodes))
		outcome = "error"
		h.failed(Scheduling, "prioritize", err)
	}
	h.Metrics.decisions.WithLabelValues(string(Scheduling), "prioritize", outcome).Inc()

	list := make(extenderv1.HostPriorityList, len(args.nodes))
	counts := map[string]int{}
	var firstError error
	for i, node := range args.nodes {
		list[i] = extenderv1.HostPriority{Host: node.Name, Score: decided[i].Score}
		if decided[i].Err == nil {
			counts["scored"]++
			continue
		}
		if errors.Is(decided[i].Err, scheduling.ErrUnknownNode) {
			counts["unknown"]++
			continue
		}
		counts["error"]++
		if firstError == nil {
			firstError = decided[i].Err
		}
	}
	if firstError != nil {
		h.failed(Scheduling, "prioritize", firstError)
	}
	if err == nil {
		h.countNodes("prioritize", counts)
	}
	answer(w, list)
}
