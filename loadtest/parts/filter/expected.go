package filter

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// checkFilter compares an answer with the starter policies and the rule for taints,
// written out in Go.
func checkFilter(pod *corev1.Pod, nodes []corev1.Node, answer extenderv1.ExtenderFilterResult) error {
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	accepted := map[string]bool{}
	if answer.NodeNames != nil {
		for _, name := range *answer.NodeNames {
			accepted[name] = true
		}
	}
	if answer.Nodes != nil {
		for i := range answer.Nodes.Items {
			accepted[answer.Nodes.Items[i].Name] = true
		}
	}
	if total := len(accepted) + len(answer.FailedNodes) + len(answer.FailedAndUnresolvableNodes); total != len(nodes) {
		return fmt.Errorf("%d of %d nodes are answered for", total, len(nodes))
	}
	for i := range nodes {
		name := nodes[i].Name
		_, failed := answer.FailedNodes[name]
		_, failedForGood := answer.FailedAndUnresolvableNodes[name]
		unresolvable, rejected := expected(pod, &nodes[i])
		if failedForGood != unresolvable || failed != (rejected && !unresolvable) || accepted[name] != (!rejected && !unresolvable) {
			return fmt.Errorf("node %s: unresolvable %t, rejected %t, and the answer differs", name, unresolvable, rejected)
		}
	}
	return nil
}

func expected(pod *corev1.Pod, node *corev1.Node) (unresolvable, rejected bool) {
	const tenant = "verdict.dev/tenant"
	_, cordoned := node.Labels["verdict.dev/cordoned"]
	for _, taint := range node.Spec.Taints {
		tolerated := false
		for _, t := range pod.Spec.Tolerations {
			tolerated = tolerated || t.Key == taint.Key && t.Operator == corev1.TolerationOpExists
		}
		rejected = rejected || !tolerated
	}
	return pod.Annotations[tenant] != node.Labels[tenant], rejected || cordoned
}
