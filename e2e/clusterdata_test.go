package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A policy begins to read the cluster's nodes while verdict runs, and decisions
// that were kept end with each change of a node.
func TestClusterData(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	client, bob := admin(t), as(t, "bob")
	nodes := client.CoreV1().Nodes()
	_, err := nodes.Create(t.Context(), node("owned", map[string]string{"example.com/owner": "nobody"}), createOptions)
	must(t, err)
	t.Cleanup(func() { remove(t, nodes.Delete, "owned") })
	read := []string{"get", "node", "owned"}
	refused(t, bob, []string{"Forbidden"}, read...)

	file := filepath.Join(shared.PolicyDir(), "authorization.rego")
	original, err := os.ReadFile(file)
	must(t, err)
	t.Cleanup(func() { edit(t, file, string(original)) })
	edit(t, file, string(original)+`
allow contains "owners read their nodes" if {
	resource.resource == "nodes"
	resource.verb == "get"
	data.cluster.nodes[resource.name].metadata.labels["example.com/owner"] == input.spec.user
}
`)
	for _, owner := range []string{"bob", "nobody", "bob"} {
		labelled, err := nodes.Get(t.Context(), "owned", metav1.GetOptions{})
		must(t, err)
		labelled.Labels["example.com/owner"] = owner
		_, err = nodes.Update(t.Context(), labelled, metav1.UpdateOptions{})
		must(t, err)
		eventually(t, 10*time.Second, func() error {
			if result := kubectl(t, bob, read...); (result.Exit == 0) != (owner == "bob") {
				return fmt.Errorf("the node is %s's: %s", owner, result)
			}
			return nil
		})
	}
}
