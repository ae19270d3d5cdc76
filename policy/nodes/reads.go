package nodes

import "github.com/verdict-dev/verdict/policy/document"

// Reads says which parts of input.state and input.victim rules may read:
// the others need not be collected.
type Reads struct {
	// State says that something of it is read at all.
	State bool
	// Requested is what allocatable, requested, free and quantities are made of.
	Requested bool
	// Pods is the list; the others are parts of its items.
	Pods, Labels, Annotations, Owners, Requests bool
}

// AddState adds what is read of a state.
func (r *Reads) AddState(reads *document.Selection) {
	r.State = true
	for _, name := range []string{"allocatable", "requested", "free", "quantities"} {
		r.Requested = r.Requested || reads.Field(name) != nil
	}
	if pods := reads.Field("pods"); pods != nil {
		r.AddPod(pods.Item())
	}
}

// AddPod adds what is read of a pod.
func (r *Reads) AddPod(reads *document.Selection) {
	r.State, r.Pods = true, true
	r.Labels = r.Labels || reads.Field("labels") != nil
	r.Annotations = r.Annotations || reads.Field("annotations") != nil
	r.Owners = r.Owners || reads.Field("owner") != nil
	r.Requests = r.Requests || reads.Field("requests") != nil
}
