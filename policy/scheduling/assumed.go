package scheduling

import (
	"github.com/verdict-dev/verdict/policy/nodes"
)

// LeaveOutAssumed gives nodes, of which some may be nil, a state without the pod
// of that UID where it is assumed on them: a pod that may have been bound, and
// is asked about once more, is not in its own way.
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
