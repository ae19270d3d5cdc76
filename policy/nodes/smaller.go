package nodes

import (
	"bytes"
	"math"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/verdict-dev/verdict/policy/document"
)

// SameAllocatable reports whether both nodes say the same of what is allocatable,
// in the same words.
func (n *Node) SameAllocatable(other *Node) bool {
	return bytes.Equal(n.allocatableText(), other.allocatableText())
}

// Smaller is the node as it came in a scheduler's call, in the state of known: what
// the watch says of the node of the same name and UID. Either may be the newer.
// Where they differ in what is allocatable the smaller amount counts, in the
// state as in the object; what only one of them has is not there.
func (n *Node) Smaller(known *Node) *Node {
	if known.state == nil || n.SameAllocatable(known) {
		return n.WithState(known.state)
	}
	sent, released := parsedAllocatable(n)
	defer released()
	held, released := parsedAllocatable(known)
	defer released()

	state := *known.state
	if state.Allocatable != nil {
		out := make(map[string]int64, len(state.Allocatable))
		for name, amount := range state.Allocatable {
			out[name] = min(amount, amountOf(name, sent.Get(name)))
		}
		state.Allocatable = out
	}
	object := n.nodeObject
	if n.allocatable.end > 0 {
		text := append([]byte(nil), n.text[:n.allocatable.start]...)
		text = appendSmaller(text, sent, held)
		text = append(text, n.text[n.allocatable.end:]...)
		object = &nodeObject{name: n.name, uid: n.uid, text: text}
	}
	return &Node{nodeObject: object, state: &state}
}

// allocatableText is status.allocatable as JSON, empty for none.
func (n *nodeObject) allocatableText() []byte {
	return n.text[n.allocatable.start:n.allocatable.end]
}

// parsedAllocatable is the v1 ResourceList, absent where there is none. It is
// good until released is called.
func parsedAllocatable(n *Node) (list document.Value, released func()) {
	parsed, err := document.ParseObject(n.allocatableText())
	if err != nil {
		return document.Value{}, func() {}
	}
	return parsed.Root(), parsed.Release
}

// appendSmaller appends, as a ResourceList, the smaller quantity of each resource
// that both lists have.
func appendSmaller(text []byte, a, b document.Value) []byte {
	text = append(text, '{')
	comma := false
	_ = a.Members(func(name []byte, value document.Value) error {
		other := b.Get(string(name))
		if other.Absent() {
			return nil
		}
		smaller := quantityOf(value)
		if q := quantityOf(other); q.Cmp(smaller) < 0 {
			smaller = q
		}
		if comma {
			text = append(text, ',')
		}
		comma = true
		text, _ = jsontext.AppendQuote(text, name) // which is valid UTF-8, as all of the document
		text = append(text, ':')
		text, _ = jsontext.AppendQuote(text, smaller.String())
		return nil
	})
	return append(text, '}')
}

// quantityOf is a resource.Quantity, 0 for what is none.
func quantityOf(value document.Value) resource.Quantity {
	if value.Absent() {
		return resource.Quantity{}
	}
	text, ok := value.Text()
	if !ok {
		text = string(value.Raw()) // a number
	}
	quantity, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}
	}
	return quantity
}

// amountOf is a quantity as State has it: in milli-CPU for cpu, else in
// units.
func amountOf(name string, value document.Value) int64 {
	quantity := quantityOf(value)
	switch {
	case name != string(corev1.ResourceCPU):
		return quantity.Value()
	case quantity.Value() > math.MaxInt64/1000:
		return math.MaxInt64
	}
	return quantity.MilliValue()
}
