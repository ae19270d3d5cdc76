package scheduling

import (
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Recognize adds states to the whole nodes of a call: a node gets the state of the node
// in the cluster that has the same name and UID. If both nodes are equal in every field
// that the rules read, the node of the cluster replaces that of the call. Otherwise the
// node of the call stays, and of each allocatable resource the smaller amount counts.
// Nodes that are not in the cluster, such as those that the Cluster Autoscaler
// simulates, do not change, because they have no state.
func Recognize(profile policy.Profile, cluster Nodes, sent []*nodes.Node, rules ...policy.SchedulingRule) {
	names, known := make([][]byte, len(sent)), make([]*nodes.Node, len(sent))
	for i, node := range sent {
		names[i] = []byte(node.Name())
	}
	cluster.Find(names, known)
	for i, node := range sent {
		watched := known[i]
		if watched == nil || watched.UID() != node.UID() {
			continue
		}
		switch {
		case watched.SameAllocatable(node) && profile.Alike(watched, node, rules...):
			sent[i] = watched
		case watched.State() != nil:
			sent[i] = node.Smaller(watched)
		}
	}
}
