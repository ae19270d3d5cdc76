package policy

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/verdict-dev/verdict/policy/document"
)

// NodeState is what is known of a node beyond its object: what rules of
// scheduling see as input.state. It must not be changed once a Node has it.
//
// Quantities are whole numbers: of milli-CPUs for cpu, of bytes or pieces for
// all else.
type NodeState struct {
	// Allocatable is the node's status.allocatable, by v1 ResourceName.
	Allocatable map[string]int64
	// Requested is what the pods on the node request together, as kube-scheduler
	// counts it; "pods" is their number.
	Requested map[string]int64
	// Pods are those on the node that have not ended, assumed ones included,
	// sorted by namespace and name.
	Pods []*PodState
	// Counted are the same pods, also where no rule reads their list and Pods is
	// nil: what Requested is the sum of. Nil means Pods.
	Counted []*PodState
}

// Without is the state as it would be once the pods with these UIDs were gone:
// s itself where none of them is on the node, nil of a nil state.
func (s *NodeState) Without(uids ...string) *NodeState {
	if s == nil {
		return nil
	}
	counted := s.Counted
	if counted == nil {
		counted = s.Pods
	}
	gone := func(pod *PodState) bool { return slices.Contains(uids, pod.UID) }
	if !slices.ContainsFunc(counted, gone) {
		return s
	}
	out := &NodeState{
		Allocatable: s.Allocatable, Requested: maps.Clone(s.Requested),
		Counted: slices.DeleteFunc(slices.Clone(counted), gone), Pods: slices.DeleteFunc(slices.Clone(s.Pods), gone),
	}
	// What no policy reads may not have been added up.
	take := func(resource string, amount int64) {
		if _, ok := out.Requested[resource]; ok {
			out.Requested[resource] -= amount
		}
	}
	for _, pod := range counted {
		if !gone(pod) {
			continue
		}
		for resource, amount := range pod.Requests {
			take(resource, amount)
		}
		if _, counted := pod.Requests[podsResource]; !counted {
			take(podsResource, 1)
		}
	}
	maps.DeleteFunc(out.Requested, func(resource string, amount int64) bool {
		_, allocatable := s.Allocatable[resource]
		return amount == 0 && !allocatable && resource != podsResource
	})
	return out
}

// podsResource counts pods (v1 ResourcePods).
const podsResource = "pods"

// PodState is what is known of a pod on a node: an item of input.state.pods,
// input.victim, and an item of input.victims. It must not be changed once a NodeState has it.
type PodState struct {
	Namespace, Name, UID string
	Labels               map[string]string
	// Annotations are those that the configuration lists.
	Annotations map[string]string
	Priority    int32
	// OwnerKind and OwnerName are those of its controller, "" without one.
	OwnerKind, OwnerName string
	// Requests is what the pod counts for on its node; see NodeState.
	Requests map[string]int64
	// Created is metadata.creationTimestamp.
	Created time.Time
	// Assumed says that the pod was sent to the node and has not been seen
	// there yet.
	Assumed bool

	// listed is the pod as the rule that was asked last sees it among
	// input.state.pods: a node's pods change one at a time, and are decided by
	// over and over.
	listed atomic.Pointer[listedPod]
}

// listedPod is what is selected of a pod.
type listedPod struct {
	selects *document.Selection
	term    *ast.Term
}

// StateReads says which parts of input.state and input.victim rules may read:
// nobody needs to know the others.
type StateReads struct {
	// State says that something of it is read at all.
	State bool
	// Requested is what allocatable, requested, free and quantities are made of.
	Requested bool
	// Pods is the list; the others are parts of its items.
	Pods, Labels, Annotations, Owners, Requests bool
}

// ReadsState says what the scheduling rules of the current revision may read of
// states and victims. What states without victims take is read with the rest.
func (e *Engine) ReadsState() StateReads {
	var out StateReads
	view := e.View()
	if view == nil {
		return out
	}
	for _, r := range view.rules[firstSchedulingRule:] {
		for _, name := range []string{stateName, stateWithoutName} {
			if state := r.input.Field(name); state != nil {
				out.state(state)
			}
		}
		if victim := r.input.Field(victimName); victim != nil {
			out.pod(victim)
		}
		if victims := r.input.Field(victimsName); victims != nil {
			out.pod(victims.Item())
		}
	}
	return out
}

// state adds what is read of a state.
func (r *StateReads) state(reads *document.Selection) {
	r.State = true
	for _, name := range []string{"allocatable", "requested", "free", "quantities"} {
		r.Requested = r.Requested || reads.Field(name) != nil
	}
	if pods := reads.Field("pods"); pods != nil {
		r.pod(pods.Item())
	}
}

// pod adds what is read of a pod.
func (r *StateReads) pod(reads *document.Selection) {
	r.State, r.Pods = true, true
	r.Labels = r.Labels || reads.Field("labels") != nil
	r.Annotations = r.Annotations || reads.Field("annotations") != nil
	r.Owners = r.Owners || reads.Field("owner") != nil
	r.Requests = r.Requests || reads.Field("requests") != nil
}

func numbersOf(selects *document.Selection, amounts map[string]int64) ast.Value {
	return document.SelectedOf(amounts, selects, func(_ string, n int64) ast.Value { return document.Integer(n) })
}

func textsOf(selects *document.Selection, texts map[string]string) ast.Value {
	return document.SelectedOf(texts, selects, func(_, text string) ast.Value { return ast.String(text) })
}

// project returns the part of the state that is selected, as rules see it; nil
// without a state.
func (s *NodeState) project(selects *document.Selection) ast.Value {
	if s == nil {
		return nil
	}
	m := document.NewSelected(selects)
	amounts := map[string]func() map[string]int64{
		"allocatable": func() map[string]int64 { return s.Allocatable },
		"requested":   func() map[string]int64 { return s.Requested },
		"free":        s.free,
	}
	for name, of := range amounts {
		m.Add(name, func(selects *document.Selection) ast.Value { return numbersOf(selects, of()) })
	}
	m.Add("quantities", func(selects *document.Selection) ast.Value {
		m := document.NewSelected(selects)
		for name, of := range amounts {
			m.Add(name, func(selects *document.Selection) ast.Value {
				return document.SelectedOf(of(), selects, quantity)
			})
		}
		return m.Object()
	})
	m.Add("pods", func(selects *document.Selection) ast.Value {
		pods := make([]*ast.Term, len(s.Pods))
		for i, pod := range s.Pods {
			pods[i] = pod.listedAs(selects.Item())
		}
		return ast.NewArray(pods...)
	})
	return m.Object()
}

// free is what is left of each allocatable resource; below 0 where pods were put
// on the node without regard to that.
func (s *NodeState) free() map[string]int64 {
	out := make(map[string]int64, len(s.Allocatable))
	for resource, amount := range s.Allocatable {
		out[resource] = amount - s.Requested[resource]
	}
	return out
}

// quantity is an amount as a Kubernetes quantity (resource.Quantity).
func quantity(name string, amount int64) ast.Value {
	switch name := corev1.ResourceName(name); {
	case name == corev1.ResourceCPU:
		return ast.String(resource.NewMilliQuantity(amount, resource.DecimalSI).String())
	case name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage,
		strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
		return ast.String(resource.NewQuantity(amount, resource.BinarySI).String())
	}
	return ast.String(resource.NewQuantity(amount, resource.DecimalSI).String())
}

// Assume is the pod before it was seen on the node that it was sent to.
func (p *PodState) Assume() *PodState {
	return &PodState{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID,
		Labels: p.Labels, Annotations: p.Annotations, Priority: p.Priority,
		OwnerKind: p.OwnerKind, OwnerName: p.OwnerName,
		Requests: p.Requests, Created: p.Created, Assumed: true,
	}
}

// listedAs is what is selected of the pod, as an item of input.state.pods.
func (p *PodState) listedAs(selects *document.Selection) *ast.Term {
	if made := p.listed.Load(); made != nil && made.selects == selects {
		return made.term
	}
	made := &listedPod{selects: selects, term: ast.NewTerm(p.project(selects))}
	p.listed.Store(made)
	return made.term
}

// project returns the part of the pod that is selected, as rules see it; nil
// without a pod.
func (p *PodState) project(selects *document.Selection) ast.Value {
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
