package handlers

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/verdict-dev/verdict/policy/document"
)

// preemption is k8s.io/kube-scheduler/extender/v1 ExtenderPreemptionArgs: a pod,
// and for each of some nodes the pods that would have to go.
type preemption struct {
	call     *call
	document *document.Document
	pod      document.Value
	nodes    []preemptedNode
	// whole says that the victims are whole Pods: NodeNameToVictims. Else they
	// are UIDs: NodeNameToMetaVictims.
	whole bool
}

// preemptedNode is Victims or MetaVictims.
type preemptedNode struct {
	name    []byte
	victims []victim
	// violations is NumPDBViolations, as it was written.
	violations []byte
}

type victim struct {
	uid string
	pod document.Value // absent where victims are UIDs
}

// parsePreemption reads a call, its keys without regard to case as the
// scheduler's own decoder does. The caller releases its document. The error is
// for refuse.
func parsePreemption(c *call) (p preemption, err error) {
	// Of victims not much is decoded at a time.
	if err = c.index(2 * indexedValue); err != nil {
		return p, err
	}
	if p.document, err = document.ParseObjectUntil(c.context(), c.body); err != nil {
		return p, err
	}
	p.call = c
	if err = p.read(p.document.Root()); err != nil {
		p.document.Release()
	}
	return p, err
}

func (p *preemption) read(root document.Value) error {
	const wholeField, metaField = "NodeNameToVictims", "NodeNameToMetaVictims"
	members, err := document.MembersOf(root, "Pod", wholeField, metaField)
	if err != nil {
		return err
	}
	p.pod = members[0]
	whole, meta := members[1], members[2]
	switch {
	case p.pod.IsNull():
		return at("Pod", errMissing)
	case !p.pod.IsObject():
		return at("Pod", errNoObject)
	}
	if err := p.call.checkObject(p.pod.Values()); err != nil {
		return at("Pod", err)
	}
	if err := p.call.take(decodedValue * p.pod.Values()); err != nil {
		return err
	}
	switch {
	case !whole.IsNull() && !meta.IsNull():
		return at(wholeField, errors.New("send either these or "+metaField+", not both"))
	case !whole.IsNull():
		p.whole = true
		return p.readNodes(wholeField, whole)
	case !meta.IsNull():
		return p.readNodes(metaField, meta)
	}
	return at(wholeField, errors.New("is missing, and so is "+metaField+": send one"))
}

func (p *preemption) readNodes(field string, nodes document.Value) error {
	if !nodes.IsObject() {
		return at(field, errNoObject)
	}
	return nodes.Members(func(name []byte, value document.Value) error {
		if err := p.call.take(listedNode); err != nil {
			return err
		}
		node := preemptedNode{name: name}
		err := errors.New("a node has a name")
		if len(name) > 0 {
			err = p.readNode(&node, value)
		}
		if err != nil {
			return fmt.Errorf("%s[%s]%w", field, printable(string(name)), err)
		}
		p.nodes = append(p.nodes, node)
		return nil
	})
}

// readNode reads the victims on one node. Its errors begin with a path.
func (p *preemption) readNode(node *preemptedNode, value document.Value) error {
	if !value.IsObject() {
		return below("", errNoObject)
	}
	members, err := document.MembersOf(value, "Pods", "NumPDBViolations")
	if err != nil {
		return below("", err)
	}
	node.violations = []byte("0")
	if violations := members[1]; !violations.IsNull() {
		node.violations = violations.Raw()
		if _, err := strconv.ParseInt(string(node.violations), 10, 64); err != nil {
			return below(".NumPDBViolations", errors.New("must be a whole number"))
		}
	}
	if members[0].IsNull() {
		return nil
	}
	pods, err := members[0].Items()
	if err != nil {
		return below(".Pods", err)
	}
	for i, pod := range pods {
		found, err := p.readVictim(pod)
		if err != nil {
			return fmt.Errorf(".Pods[%d]%w", i, err)
		}
		node.victims = append(node.victims, found)
	}
	return nil
}

func (p *preemption) readVictim(value document.Value) (victim, error) {
	if !value.IsObject() {
		return victim{}, below("", errNoObject)
	}
	if err := p.call.checkObject(value.Values()); err != nil {
		return victim{}, below("", err)
	}
	if err := p.call.take(listedNode); err != nil {
		return victim{}, below("", err)
	}
	at, holder, name := ".metadata.uid", value.Get("metadata"), "uid"
	v := victim{pod: value}
	if !p.whole {
		at, holder, name, v.pod = ".UID", value, "UID", document.Value{}
	}
	members, err := document.MembersOf(holder, name)
	if err != nil {
		return v, below("", err)
	}
	uid, ok := members[0].Text()
	switch {
	case members[0].IsNull(), uid == "" && ok:
		return v, below(at, errMissing)
	case !ok:
		return v, below(at, errors.New("must be a string"))
	}
	v.uid = uid
	return v, nil
}

var errNoObject = errors.New("must be an object")

// below says where below a node err is.
func below(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }
