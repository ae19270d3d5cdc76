package handlers

import (
	"net/http"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// filter answers POST /scheduler/filter, in the form that was asked. The
// scheduler throws the body of anything but a 200 away, so a call that can't
// be decided is a 200 with its Error set.
func (h *handler) filter(c *call) {
	e, ok := h.decodeExtenderCall(c, policy.Unresolvable, policy.Reject)
	if !ok {
		return
	}
	defer e.pod.Release()
	decided, err := decideNodes(c, &e, scheduling.Filter)
	if err != nil {
		h.failed(policy.SchedulingPoint, filterVerb, err)
		h.countCall(filterVerb, outcomeError)
		writeJSON(c, http.StatusOK, append(appendText([]byte(`{"Nodes":null,"NodeNames":null,"FailedNodes":null,"FailedAndUnresolvableNodes":null`),
			`,"Error":`, err.Error()), '}'))
		return
	}
	outcome := callRefused
	if h.encodeFiltered(c, &e, decided) > 0 {
		outcome = callAccepted
	}
	h.countCall(filterVerb, outcome)
}

// encodeFiltered writes k8s.io/kube-scheduler/extender/v1 ExtenderFilterResult,
// whose nodes go back as the bytes that came, and returns how many those are.
func (h *handler) encodeFiltered(c *call, e *extenderCall, decided []*scheduling.Filtered) int {
	var known refusals
	accepted := make([]document.Part, 0, len(decided))
	var firstError error
	failed, unresolvable := c.scratch[0][:0], c.scratch[1][:0]
	for i := range decided {
		refused := known.of(decided[i])
		switch {
		case refused == nil:
			accepted = append(accepted, e.items[i])
		case refused.outcome == nodeUnresolvable, refused.outcome == nodeUnknown:
			// No eviction makes a node known, and preempt drops it.
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
		h.failed(policy.SchedulingPoint, filterVerb, firstError)
	}
	counts := map[string]int{nodeAccepted: len(accepted)}
	for _, refused := range known {
		counts[refused.outcome] += refused.nodes
	}
	c.scratch = [2][]byte{failed, unresolvable}
	c.endpoint.countNodes(counts)
	c.endpoint.countRefusals(known)

	before, after := `{"Nodes":null,"NodeNames":[`, `]`
	if e.whole {
		before, after = `{"Nodes":{"metadata":{},"items":[`, `]},"NodeNames":null`
	}
	writeParts(c, before, runs(c.body, accepted),
		[]byte(after+`,"FailedNodes":{`), failed, []byte(`},"FailedAndUnresolvableNodes":{`), unresolvable, []byte(`},"Error":""}`))
	return len(accepted)
}

// appendReason appends the member of a FailedNodesMap for node i.
func (e *extenderCall) appendReason(b, body []byte, i int, quoted []byte) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(e.appendName(b, body, i), ':')
	return append(b, quoted...)
}

// appendName appends the name of node i as a JSON string.
func (e *extenderCall) appendName(b, body []byte, i int) []byte {
	if e.whole {
		return appendQuoted(b, e.nodes[i].Name())
	}
	return append(b, e.items[i].Of(body)...)
}

// runs joins items that stand side by side, with nothing but one comma between
// them: they go out as they came in.
func runs(body []byte, items []document.Part) [][]byte {
	var out [][]byte
	for from := 0; from < len(items); {
		to := from
		for to+1 < len(items) && items[to+1].Start == items[to].End+1 && body[items[to].End] == ',' {
			to++
		}
		out = append(out, body[items[from].Start:items[to].End])
		from = to + 1
	}
	return out
}

// together is the size up to which an answer is put together before it is
// written, in bytes.
const together = 256 << 10

// writeParts answers 200 with a list, whose items are in parts, between what
// comes before and after it.
func writeParts(c *call, before string, parts [][]byte, after ...[]byte) {
	w := joiner{call: c}
	length := len(before) + max(len(parts)-1, 0)
	for _, part := range parts {
		length += len(part)
	}
	for _, part := range after {
		length += len(part)
	}
	writeHeader(c, http.StatusOK, length)
	w.out = append(make([]byte, 0, min(length, together)), before...)
	for i, part := range parts {
		if i > 0 {
			w.write(comma)
		}
		w.write(part)
	}
	for _, part := range after {
		w.write(part)
	}
	w.flush()
}

var comma = []byte{','}

// joiner puts small parts of an answer together and writes large ones as they are.
type joiner struct {
	call *call
	out  []byte
}

func (w *joiner) write(part []byte) {
	if len(w.out)+len(part) > cap(w.out) {
		w.flush()
	}
	if len(part) > cap(w.out) {
		_, _ = w.call.Write(part) // the caller has gone; there is no other to report the error to
		return
	}
	w.out = append(w.out, part...)
}

func (w *joiner) flush() {
	if len(w.out) > 0 {
		_, _ = w.call.Write(w.out) // as in write
	}
	w.out = w.out[:0]
}
