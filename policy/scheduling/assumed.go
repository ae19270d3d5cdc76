package scheduling

import (
	"github.com/verdict-dev/verdict/policy/nodes"
)

// LeaveOutAssumed removes the pod of that UID from the state of each node on which the
// pod is assumed. Such a pod may have been bound before, and a new call about it must
// not count the pod itself as one that already uses the node. Nodes may be nil.
func LeaveOutAssumed(cluster Cluster, uid string, nodes []*nodes.Node) {
	if pod, ok := cluster.PodByUID(uid); !ok || !pod.Assumed {
		return
	}
	for i, node := range nodes {
		if node == nil {
			continue
		}
		if state := node.State(); state != nil {
			if without := state.Without(uid); without != state {
				nodes[i] = node.WithState(without)
			}
		}
	}
}
