package nodes

import (
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// Pod is what is known of a pod on a node: an item of input.state.pods,
// input.victim, and an item of input.victims. It must not be changed once a State has it.
type Pod struct {
	Namespace, Name, UID string
	Labels               map[string]string
	// Annotations are those that the configuration lists.
	Annotations map[string]string
	Priority    int32
	// OwnerKind and OwnerName are those of its controller, "" without one.
	OwnerKind, OwnerName string
	// Requests is what the pod counts for on its node; see State.
	Requests map[string]int64
	// Created is metadata.creationTimestamp.
	Created time.Time
	// Assumed says that the pod was sent to the node and has not been seen
	// there yet.
	Assumed bool

	// listed is the pod as the rule that was evaluated last sees it among
	// input.state.pods: of a node's pods one changes at a time, and all of them
	// are part of each decision.
	listed atomic.Pointer[listedPod]
}

// listedPod is what is selected of a pod.
type listedPod struct {
	selects *document.Selection
	term    *ast.Term
}

// Assume is the pod before it was seen on the node that it was sent to.
func (p *Pod) Assume() *Pod {
	return &Pod{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID,
		Labels: p.Labels, Annotations: p.Annotations, Priority: p.Priority,
		OwnerKind: p.OwnerKind, OwnerName: p.OwnerName,
		Requests: p.Requests, Created: p.Created, Assumed: true,
	}
}

// listedAs is what is selected of the pod, as an item of input.state.pods.
func (p *Pod) listedAs(selects *document.Selection) *ast.Term {
	if made := p.listed.Load(); made != nil && made.selects == selects {
		return made.term
	}
	made := &listedPod{selects: selects, term: ast.NewTerm(p.Project(selects))}
	p.listed.Store(made)
	return made.term
}

// Project returns the part of the pod that is selected, as rules see it; nil
// without a pod.
func (p *Pod) Project(selects *document.Selection) ast.Value {
	if p == nil {
		return nil
	}
	m := document.NewSelected(selects)
	m.Text("namespace", p.Namespace)
	m.Text("name", p.Name)
	m.Text("uid", p.UID)
	m.Add("labels", func(selects *document.Selection) ast.Value { return textsOf(selects, p.Labels) })
	m.Add("annotations", func(selects *document.Selection) ast.Value { return textsOf(selects, p.Annotations) })
	m.Integer("priority", int64(p.Priority))
	if p.OwnerName != "" {
		m.Add("owner", func(selects *document.Selection) ast.Value {
			owner := document.NewSelected(selects)
			owner.Text("kind", p.OwnerKind)
			owner.Text("name", p.OwnerName)
			return owner.Object()
		})
	}
	m.Add("requests", func(selects *document.Selection) ast.Value { return numbersOf(selects, p.Requests) })
	if !p.Created.IsZero() {
		m.Text("created", p.Created.UTC().Format(time.RFC3339))
	}
	if p.Assumed {
		m.Add("assumed", func(*document.Selection) ast.Value { return ast.Boolean(true) })
	}
	return m.Object()
}
