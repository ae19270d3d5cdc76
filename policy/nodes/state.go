package nodes

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/verdict-dev/verdict/policy/document"
)

// State is what is known of a node beyond its object: what rules of
// scheduling see as input.state. It must not be changed once a Node has it.
//
// Quantities are whole numbers: of milli-CPUs for cpu, of bytes or pieces for
// all else.
type State struct {
	// Allocatable is the node's status.allocatable, by v1 ResourceName.
	Allocatable map[string]int64
	// Requested is what the pods on the node request together, as kube-scheduler
	// counts it; "pods" is their number.
	Requested map[string]int64
	// Pods are those on the node that have not ended, assumed ones included,
	// sorted by namespace and name.
	Pods []*Pod
	// Counted are the same pods, also where no rule reads their list and Pods is
	// nil: what Requested is the sum of. Nil means Pods.
	Counted []*Pod
}

// Without is the state as it would be once the pods with these UIDs were gone:
// s itself where none of them is on the node, nil of a nil state.
func (s *State) Without(uids ...string) *State {
	if s == nil {
		return nil
	}
	counted := s.Counted
	if counted == nil {
		counted = s.Pods
	}
	gone := func(pod *Pod) bool { return slices.Contains(uids, pod.UID) }
	if !slices.ContainsFunc(counted, gone) {
		return s
	}
	out := &State{
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

// Project returns the part of the state that is selected, as rules see it; nil
// without a state.
func (s *State) Project(selects *document.Selection) ast.Value {
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
func (s *State) free() map[string]int64 {
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
