package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// filterAnswer is the wire form of k8s.io/kube-scheduler/extender/v1
// ExtenderFilterResult, whose nodes go back as the bytes that came.
type filterAnswer struct {
	Nodes                      *nodeList
	NodeNames                  *[]string
	FailedNodes                map[string]string
	FailedAndUnresolvableNodes map[string]string
	Error                      string
}

type nodeList struct {
	Metadata struct{}          `json:"metadata"`
	Items    []json.RawMessage `json:"items"`
}

// filter answers POST /scheduler/filter, in the form that was asked. The
// scheduler throws the body of anything but a 200 away, so a call that can't
// be decided is a 200 with its Error set.
func (h *handler) filter(w http.ResponseWriter, r *http.Request) {
	args, revision, ok := h.readExtenderArgs(w, r)
	if !ok {
		return
	}
	var decided []scheduling.Filtered
	err := args.err
	if err == nil {
		decided, err = scheduling.Filter(r.Context(), revision, args.pod, args.nodes)
	}
	if err != nil {
		h.failed(Scheduling, "filter", err)
		h.Metrics.decisions.WithLabelValues(string(Scheduling), "filter", "error").Inc()
		answer(w, filterAnswer{Error: err.Error()})
		return
	}
	result := h.filterAnswer(args, decided)
	outcome := "refused"
	if result.accepted() > 0 {
		outcome = "accepted"
	}
	h.Metrics.decisions.WithLabelValues(string(Scheduling), "filter", outcome).Inc()
	answer(w, result)
}

func (h *handler) filterAnswer(args extenderArgs, decided []scheduling.Filtered) filterAnswer {
	result := filterAnswer{
		FailedNodes:                map[string]string{},
		FailedAndUnresolvableNodes: map[string]string{},
	}
	names, items := []string{}, []json.RawMessage{}
	counts := map[string]int{}
	var firstError error
	for i, d := range decided {
		name := args.nodes[i].Name
		switch {
		case errors.Is(d.Err, scheduling.ErrUnknownNode):
			counts["unknown"]++
			result.FailedNodes[name] = d.Err.Error()
		case d.Err != nil:
			counts["error"]++
			if firstError == nil {
				firstError = d.Err
			}
			result.FailedNodes[name] = "policy error: " + d.Err.Error()
		case len(d.Unresolvable) > 0:
			counts["unresolvable"]++
			result.FailedAndUnresolvableNodes[name] = strings.Join(append(d.Unresolvable, d.Reject...), "; ")
		case len(d.Reject) > 0:
			counts["rejected"]++
			result.FailedNodes[name] = strings.Join(d.Reject, "; ")
		case args.raw != nil:
			counts["accepted"]++
			items = append(items, json.RawMessage(args.raw[i]))
		default:
			counts["accepted"]++
			names = append(names, name)
		}
	}
	if firstError != nil {
		// One line a call: the same policy tends to fail for every node.
		h.failed(Scheduling, "filter", firstError)
	}
	h.countNodes("filter", counts)
	if args.raw != nil {
		result.Nodes = &nodeList{Items: items}
	} else {
		result.NodeNames = &names
	}
	return result
}

func (a filterAnswer) accepted() int {
	if a.Nodes != nil {
		return len(a.Nodes.Items)
	}
	return len(*a.NodeNames)
}

func (h *handler) countNodes(verb string, counts map[string]int) {
	for outcome, n := range counts {
		h.Metrics.nodes.WithLabelValues(verb, outcome).Add(float64(n))
	}
}
