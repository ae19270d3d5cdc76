package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// The company of rego/starter/data.yaml.
var people = []controlplane.User{
	{Username: "alice", UID: "1001", Groups: []string{"team-payments"}},
	{Username: "bob", UID: "1002", Groups: []string{"team-search"}},
	{Username: "carol", UID: "1003", Groups: []string{"platform"}},
}

var nodes = []struct{ name, tenant, zone string }{
	{"payments-1", "payments", "eu-1a"},
	{"payments-2", "payments", "eu-1b"},
	{"search-1", "search", "eu-1a"},
	{"shared-1", "", "eu-1b"},
}

// boot starts everything and returns the kubeconfig of each person.
func boot(ctx context.Context, cluster *controlplane.ControlPlane) (map[string]string, error) {
	starter, err := controlplane.StarterPolicyDir(ctx)
	if err != nil {
		return nil, err
	}
	if err := cluster.InstallVerdict(starter); err != nil {
		return nil, err
	}
	tokens, err := cluster.AddUsers(ctx, people...)
	if err != nil {
		return nil, err
	}
	if err := cluster.StartVerdict(ctx); err != nil {
		return nil, err
	}
	if err := cluster.EnsureAPIServer(ctx, cluster.ConfigurationFlags()); err != nil {
		return nil, err
	}
	if err := cluster.GrantVerdict(ctx); err != nil {
		return nil, err
	}
	client, err := cluster.Admin()
	if err != nil {
		return nil, err
	}
	if err := populate(ctx, client); err != nil {
		return nil, err
	}
	if err := cluster.WaitVerdictReady(ctx); err != nil {
		return nil, err
	}
	if err := cluster.StartScheduler(ctx, controlplane.NodeNames); err != nil {
		return nil, err
	}
	kubeconfigs := map[string]string{"admin": cluster.AdminKubeconfig}
	for user, token := range tokens {
		if kubeconfigs[user], err = cluster.TokenKubeconfig(user, token); err != nil {
			return nil, err
		}
	}
	return kubeconfigs, nil
}

// populate makes the teams' namespaces and a node or two for each. There are
// no kubelets: pods get a node and stay pending.
func populate(ctx context.Context, client kubernetes.Interface) error {
	for _, name := range []string{"payments", "search"} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make the namespace %s: %w", name, err)
		}
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("8"),
		corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	for _, n := range nodes {
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{"topology.kubernetes.io/zone": n.zone}},
			Status: corev1.NodeStatus{
				Capacity:    capacity,
				Allocatable: capacity,
				Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}},
			},
		}
		if n.tenant != "" {
			node.Labels["verdict.dev/tenant"] = n.tenant
		}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("make the node %s: %w", n.name, err)
		}
	}
	return nil
}
