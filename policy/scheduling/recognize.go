package scheduling

import "github.com/verdict-dev/verdict/policy"

// Recognize gives nodes that came whole the state of those in the cluster that
// have the same name and UID. Where both are alike in everything that the rules
// read of them the cluster's take their place; where not, the nodes are decided
// as they came, and of what is allocatable the smaller amount counts. The others,
// such as nodes that the Cluster Autoscaler thinks of, are left as they are:
// nothing is known of their state.
func Recognize(profile policy.Profile, cluster Nodes, nodes []*policy.Node, rules ...policy.SchedulingRule) {
	names, known := make([][]byte, len(nodes)), make([]*policy.Node, len(nodes))
	for i, node := range nodes {
		names[i] = []byte(node.Name())
	}
	cluster.Find(names, known)
	for i, sent := range nodes {
		node := known[i]
		if node == nil || node.UID() != sent.UID() {
			continue
		}
		switch {
		case node.SameAllocatable(sent) && profile.Alike(node, sent, rules...):
			nodes[i] = node
		case node.State() != nil:
			nodes[i] = sent.Lesser(node)
		}
	}
}
