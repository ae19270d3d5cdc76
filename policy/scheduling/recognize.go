package scheduling

import (
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Recognize gives nodes that came whole the state of those in the cluster that
// have the same name and UID. Where both are alike in everything that the rules
// read of them the cluster's take their place; where not, the nodes are decided
// as they came, and of what is allocatable the smaller amount counts. The others,
// such as nodes that the Cluster Autoscaler thinks of, are left as they are:
// nothing is known of their state.
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
