package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// placement is a pod on a node for which the rules of scheduling are evaluated.
type placement struct {
	node  string // its name, where the document has several
	input policy.PlacementInput
}

const placementForm = `{"pod": …, "node": …, "state": …}`

// readPlacements reads a document of scheduling: the input as policies see it, or
// the body of a scheduler's call with whole nodes. A document of victims sets the
// verb where no flag sets it. readPod reads whole pods.
func readPlacements(text []byte, verb policy.Verb, readPod func([]byte) (*nodes.Pod, error)) ([]placement, policy.Verb, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, verb, err
	}
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	r := placementReader{members: members, verb: verb, readPod: readPod}
	names := slices.Sorted(maps.Keys(members))
	var err error
	var out []placement
	switch {
	case members["kind"] != nil || members["apiVersion"] != nil || members["spec"] != nil:
		err = fmt.Errorf("%s is not an input of scheduling: set --point for it, or write %s", kindOfDocument(members), placementForm)
	case all(names, "pod", "node", "state", "stateWithout", "victim", "victims"):
		out, err = r.one()
	case fold(names, "PodName", "PodNamespace", "PodUID", "Node"):
		err = at("PodName", "a bind call only names its pod and node, and explain cannot look them up: write %s and add --verb bind", placementForm)
	case fold(names, "Pod", "Nodes", "NodeNames", "NodeNameToVictims", "NodeNameToMetaVictims"):
		out, err = r.call()
	default:
		for _, name := range names {
			if !all([]string{name}, "pod", "node", "state", "stateWithout", "victim", "victims") {
				err = fmt.Errorf("%s: an input of scheduling does not have this field: write %s", name, placementForm)
				break
			}
		}
	}
	return out, r.verb, err
}

// kindOfDocument names a Kubernetes object by its kind.
func kindOfDocument(members map[string]json.RawMessage) string {
	var kind string
	if json.Unmarshal(members["kind"], &kind) == nil && kind != "" && len(kind) < 64 {
		return "a " + kind
	}
	return "a document with a spec"
}

func all(names []string, known ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(known, name) })
}

func fold(names []string, known ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
	})
}

// at is a mistake in a member of a call.
func at(member, format string, args ...any) error {
	return fmt.Errorf("%s: %w", member, fmt.Errorf(format, args...))
}

type placementReader struct {
	members map[string]json.RawMessage
	verb    policy.Verb
	readPod func([]byte) (*nodes.Pod, error)
}

// one reads a pod and a node as policies see them.
func (r *placementReader) one() ([]placement, error) {
	in := policy.PlacementInput{Pod: r.members["pod"], State: r.members["state"], StateWithout: r.members["stateWithout"]}
	if in.Pod == nil && r.members["node"] == nil {
		return nil, fmt.Errorf("pod: is missing, and so is node: write %s", placementForm)
	}
	for _, name := range []string{"pod", "node", "state", "stateWithout", "victim"} {
		if value := r.members[name]; value != nil && value[0] != '{' {
			return nil, fmt.Errorf("%s: must be an object", name)
		}
	}
	if node := r.members["node"]; node != nil {
		var err error
		if in.Node, err = asPoliciesSee(node); err != nil {
			return nil, fmt.Errorf("node: %w", err)
		}
	}
	victims, err := r.list("victims")
	if err != nil {
		return nil, err
	}
	if victim := r.members["victim"]; victim != nil {
		if r.members["victims"] != nil {
			return nil, errors.New("victim: write all pods to evict as victims; each of them is evaluated as the victim")
		}
		victims = []json.RawMessage{victim}
	}
	for i, victim := range victims {
		read, err := r.victim(victim)
		if err != nil {
			return nil, fmt.Errorf("victims[%d]%w", i, err)
		}
		in.Victims = append(in.Victims, read)
	}
	if r.verb == "" && (len(victims) > 0 || in.StateWithout != nil) {
		r.verb = policy.PreemptVerb
	}
	return []placement{{input: in}}, nil
}

// list is a member that is a list; nil where it is absent.
func (r *placementReader) list(name string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	if value := r.members[name]; value != nil {
		if err := json.Unmarshal(value, &out); err != nil {
			return nil, fmt.Errorf("%s: must be a list", name)
		}
	}
	return out, nil
}

// victim is a pod to evict, in the form of an item of state.pods: a v1 Pod is read
// as a call's is, and one with nothing but its UID is looked up there. Its errors
// begin with a path.
func (r *placementReader) victim(text json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return nil, errors.New(": must be an object")
	}
	if members["metadata"] != nil {
		pod, err := r.readPod(text)
		if err != nil {
			return nil, fmt.Errorf(": %w", err)
		}
		if pod.UID == "" {
			return nil, errors.New(".metadata.uid: is missing")
		}
		return pod.JSON()
	}
	if len(members) > 1 || members["uid"] == nil {
		return text, nil
	}
	var state struct{ Pods []json.RawMessage }
	_ = json.Unmarshal(r.members["state"], &state) // another check reports its mistakes
	for _, candidate := range state.Pods {
		var pod struct{ UID json.RawMessage }
		if json.Unmarshal(candidate, &pod) == nil && string(pod.UID) == string(members["uid"]) {
			return candidate, nil
		}
	}
	return nil, errors.New(".uid: no pod of state.pods has this UID: write the whole pod")
}

// call reads the body of a call with whole nodes.
func (r *placementReader) call() ([]placement, error) {
	members := map[string]json.RawMessage{}
	for name, value := range r.members {
		members[strings.ToLower(name)] = value
	}
	pod := members["pod"]
	switch {
	case pod == nil || pod[0] != '{':
		return nil, at("Pod", "must be a v1 Pod")
	case members["nodenametometavictims"] != nil:
		return nil, at("NodeNameToMetaVictims", "explain cannot look up pods by UID: write NodeNameToVictims, with whole pods")
	case r.verb == policy.BindVerb:
		return nil, at("Nodes", "a bind call is for one node: write %s", placementForm)
	case members["nodes"] == nil && members["nodenames"] != nil:
		return nil, at("NodeNames", "explain cannot look up nodes: write Nodes.items, which `kubectl get nodes --output=json` gives, or %s", placementForm)
	case members["nodes"] == nil:
		return nil, at("Nodes", "is missing: preempt calls only name nodes, and explain cannot look them up: add Nodes, which `kubectl get nodes --output=json` gives")
	}
	nodes, err := readNodes(members["nodes"])
	if err != nil {
		return nil, err
	}
	victims := members["nodenametovictims"]
	switch {
	case victims == nil && r.verb == policy.PreemptVerb:
		return nil, at("NodeNameToVictims", "is missing: a preempt call has it")
	case victims == nil:
		out := make([]placement, len(nodes))
		for i, node := range nodes {
			out[i] = placement{node.name, policy.PlacementInput{Pod: pod, Node: node.text}}
		}
		return out, nil
	case r.verb == "":
		r.verb = policy.PreemptVerb
	case r.verb != policy.PreemptVerb:
		return nil, at("NodeNameToVictims", "a %s call does not have it: add --verb preempt", r.verb)
	}
	return r.candidates(pod, nodes, victims)
}

// candidates are the nodes of a call of preempt.
func (r *placementReader) candidates(pod json.RawMessage, nodes []namedNode, text json.RawMessage) ([]placement, error) {
	var victims map[string]struct{ Pods []json.RawMessage }
	if err := json.Unmarshal(text, &victims); err != nil {
		return nil, at("NodeNameToVictims", "must be an object of {\"Pods\": […]} by the names of nodes")
	}
	var out []placement
	for _, name := range slices.Sorted(maps.Keys(victims)) {
		at := slices.IndexFunc(nodes, func(node namedNode) bool { return node.name == name })
		if at < 0 {
			return nil, fmt.Errorf("NodeNameToVictims[%q]: Nodes.items has no node of that name", name)
		}
		in := policy.PlacementInput{Pod: pod, Node: nodes[at].text, Victims: []json.RawMessage{}}
		for i, victim := range victims[name].Pods {
			read, err := r.victim(victim)
			if err != nil {
				return nil, fmt.Errorf("NodeNameToVictims[%q].Pods[%d]%w", name, i, err)
			}
			in.Victims = append(in.Victims, read)
		}
		out = append(out, placement{name, in})
	}
	if len(out) == 0 {
		return nil, at("NodeNameToVictims", "has no node")
	}
	return out, nil
}

type namedNode struct {
	name string
	text json.RawMessage
}

// readNodes reads a v1 NodeList, each node as a call's is.
func readNodes(text json.RawMessage) ([]namedNode, error) {
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, at("Nodes.items", "must be a list of nodes")
	}
	if len(list.Items) == 0 {
		return nil, at("Nodes.items", "has no node")
	}
	out := make([]namedNode, len(list.Items))
	for i, item := range list.Items {
		node, err := nodes.New(item)
		if err != nil {
			return nil, at(fmt.Sprintf("Nodes.items[%d]", i), "%w", err)
		}
		out[i].name = node.Name()
		if out[i].text, err = asPoliciesSee(item); err != nil {
			return nil, at(fmt.Sprintf("Nodes.items[%d]", i), "%w", err)
		}
	}
	return out, nil
}

// asPoliciesSee is a node without its apiVersion and kind, which nodes in a
// scheduler's call lack.
func asPoliciesSee(node json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(node, &members); err != nil {
		return nil, err
	}
	delete(members, "apiVersion")
	delete(members, "kind")
	return json.Marshal(members)
}
