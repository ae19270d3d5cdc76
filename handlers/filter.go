package handlers

import (
	"net/http"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// filter answers POST /scheduler/filter, in the form that was asked. The
// scheduler throws the body of anything but a 200 away, so a call that can't
// be decided is a 200 with its Error set.
func (h *handler) filter(c *call) {
	e, ok, err := h.readExtenderCall(c)
	if !ok {
		return
	}
	defer e.pod.Release()
	ctx := c.sharedContext()
	var decided []scheduling.Filtered
	if err == nil {
		var work scheduling.Sharing
		decided, work, err = scheduling.Filter(ctx, e.view, e.pod.Root(), e.nodes)
		h.countWork("filter", work)
	}
	if err != nil {
		h.failed(Scheduling, "filter", err)
		h.Metrics.decisions.WithLabelValues(string(Scheduling), "filter", "error").Inc()
		writeJSON(c, http.StatusOK, append(appendText([]byte(`{"Nodes":null,"NodeNames":null,"FailedNodes":null,"FailedAndUnresolvableNodes":null`),
			`,"Error":`, err.Error()), '}'))
		return
	}
	outcome := "refused"
	if h.writeFiltered(c, &e, decided) > 0 {
		outcome = "accepted"
	}
	h.Metrics.decisions.WithLabelValues(string(Scheduling), "filter", outcome).Inc()
}

// writeFiltered writes k8s.io/kube-scheduler/extender/v1 ExtenderFilterResult,
// whose nodes go back as the bytes that came, and returns how many those are.
func (h *handler) writeFiltered(c *call, e *extenderCall, decided []scheduling.Filtered) int {
	known := refusals{}
	accepted := make([]item, 0, len(decided))
	var firstError error
	var failed, unresolvable []byte
	for i := range decided {
		refused := known.of(&decided[i])
		switch {
		case refused == nil:
			accepted = append(accepted, e.items[i])
		case refused.outcome == nodeUnresolvable:
			unresolvable = e.appendReason(unresolvable, c.body, i, refused.quoted)
		default:
			failed = e.appendReason(failed, c.body, i, refused.quoted)
		}
		if refused != nil && refused.outcome == nodeError && firstError == nil {
			firstError = decided[i].Err
		}
	}
	if firstError != nil {
		// One line a call: the same policy tends to fail for every node.
		h.failed(Scheduling, "filter", firstError)
	}
	counts := map[string]int{nodeAccepted: len(accepted)}
	for _, refused := range known {
		counts[refused.outcome] += refused.nodes
	}
	h.countNodes("filter", counts)

	before, after := `{"Nodes":null,"NodeNames":[`, `]`
	if e.whole {
		before, after = `{"Nodes":{"metadata":{},"items":[`, `]},"NodeNames":null`
	}
	tail := append([]byte(after), `,"FailedNodes":{`...)
	tail = append(append(tail, failed...), `},"FailedAndUnresolvableNodes":{`...)
	tail = append(append(tail, unresolvable...), `},"Error":""}`...)
	writeParts(c, before, runs(c.body, accepted), tail)
	return len(accepted)
}

// appendReason appends the member of a FailedNodesMap for node i.
func (e *extenderCall) appendReason(b, body []byte, i int, quoted []byte) []byte {
	if b == nil {
		// About what is to come, if the other nodes go the same way.
		b = make([]byte, 0, (len(e.items)-i)*(len(quoted)+nameRoom))
	} else {
		b = append(b, ',')
	}
	b = append(e.appendName(b, body, i), ':')
	return append(b, quoted...)
}

// nameRoom is about how long the name of a node is, with what stands around it.
const nameRoom = 24

// appendName appends the name of node i as a JSON string.
func (e *extenderCall) appendName(b, body []byte, i int) []byte {
	if e.whole {
		return appendQuoted(b, e.nodes[i].Name())
	}
	return append(b, e.items[i].of(body)...)
}

// runs joins items that stand side by side, with nothing but one comma between
// them: they go out as they came in.
func runs(body []byte, items []item) [][]byte {
	var out [][]byte
	for from := 0; from < len(items); {
		to := from
		for to+1 < len(items) && items[to+1].start == items[to].end+1 && body[items[to].end] == ',' {
			to++
		}
		out = append(out, body[items[from].start:items[to].end])
		from = to + 1
	}
	return out
}

// together is the size up to which an answer is put together before it is
// written, in bytes.
const together = 256 << 10

// writeParts answers 200 with the parts, separated by commas.
func writeParts(c *call, before string, parts [][]byte, after []byte) {
	length := len(before) + max(len(parts)-1, 0) + len(after)
	for _, part := range parts {
		length += len(part)
	}
	writeHeader(c, http.StatusOK, length)
	out := make([]byte, 0, min(length, together))
	out = append(out, before...)
	for i, part := range parts {
		if i > 0 {
			out = append(out, ',')
		}
		if len(out)+len(part) > cap(out) {
			_, _ = c.Write(out) // the caller has gone; there is nobody to tell
			out = out[:0]
		}
		if len(part) > cap(out) {
			_, _ = c.Write(part)
			continue
		}
		out = append(out, part...)
	}
	if len(out)+len(after) > cap(out) {
		_, _ = c.Write(out)
		out = after
	} else {
		out = append(out, after...)
	}
	_, _ = c.Write(out)
}

func (h *handler) countNodes(verb string, counts map[string]int) {
	for outcome, n := range counts {
		if n > 0 {
			h.Metrics.nodes.WithLabelValues(verb, outcome).Add(float64(n))
		}
	}
}

func (h *handler) countWork(verb string, work scheduling.Sharing) {
	count := func(kind string, n int) { h.Metrics.work.WithLabelValues(verb, kind).Add(float64(n)) }
	count("nodes", work.Nodes)
	count("classes", work.Classes)
	count("evaluations", work.Evaluations)
}
