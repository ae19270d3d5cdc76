package scheduling

import "github.com/verdict-dev/verdict/policy"

// Recognize puts the nodes of the cluster in the place of those in nodes that
// came whole and are the same: of the same name and UID, and alike in everything
// that the rules read of them. The others, such as nodes that the Cluster
// Autoscaler thinks of, are left as they are: nothing is known of their state.
func Recognize(profile policy.Profile, cluster Nodes, nodes []*policy.Node, rules ...policy.SchedulingRule) {
	names, known := make([][]byte, len(nodes)), make([]*policy.Node, len(nodes))
	for i, node := range nodes {
		names[i] = []byte(node.Name())
	}
	cluster.Find(names, known)
	for i, sent := range nodes {
		if node := known[i]; node != nil && node.UID() == sent.UID() && profile.Alike(node, sent, rules...) {
			nodes[i] = node
		}
	}
}
