package e2e

import (
	"testing"

	"k8s.io/client-go/kubernetes"
)

func admin(t *testing.T) kubernetes.Interface {
	t.Helper()
	client, err := shared.Admin()
	must(t, err)
	return client
}

func TestAuthorization(t *testing.T) {
	for _, name := range []string{"v1", "v1beta1 by default"} {
		t.Run(name, func(t *testing.T) {
			arrange(t, shared.WebhookFlags(versions[name]))
			testDecisions(t)
		})
	}
}

// testDecisions holds in every form of the connection.
func testDecisions(t *testing.T) {
	alice, bob := as(t, "alice"), as(t, "bob")

	t.Run("the policy allows what RBAC does not", func(t *testing.T) {
		allowed(t, alice, "get", "pods", "--namespace=payments")
		refused(t, alice, []string{"Forbidden", `cannot list resource "replicationcontrollers"`}, "get", "replicationcontrollers", "--namespace=payments")
		refused(t, bob, []string{"Forbidden", `cannot list resource "pods"`}, "get", "pods", "--namespace=payments")
	})
	t.Run("the policy denies what RBAC allows, and says why", func(t *testing.T) {
		refused(t, alice, []string{"Forbidden", "secrets of payments are sealed"}, "get", "secrets", "--namespace=payments")
	})
	t.Run("without an opinion RBAC decides", func(t *testing.T) {
		allowed(t, alice, "get", "services", "--namespace=payments")
		refused(t, bob, []string{"Forbidden"}, "get", "services", "--namespace=payments")
	})
	t.Run("groups, uid and extra reach the policy", func(t *testing.T) {
		// Allowed, then not there.
		refused(t, alice, []string{"NotFound"}, "delete", "pod", "nobody", "--namespace=search")
		refused(t, bob, []string{"Forbidden"}, "delete", "pod", "nobody", "--namespace=search")
	})
	t.Run("a path is allowed, denied and left to RBAC", func(t *testing.T) {
		allowed(t, alice, "get", "--raw=/metrics")
		refused(t, bob, []string{"Forbidden"}, "get", "--raw=/metrics")
		refused(t, alice, []string{"Forbidden", "the log level is not for payments"}, "get", "--raw=/debug/flags/v")
		allowed(t, bob, "get", "--raw=/version")
	})
	t.Run("a list is allowed by its field selector", func(t *testing.T) {
		allowed(t, alice, "get", "pods", "--namespace=search", "--field-selector=spec.nodeName=node-1")
		refused(t, alice, []string{"Forbidden"}, "get", "pods", "--namespace=search", "--field-selector=spec.nodeName=node-2")
		refused(t, alice, []string{"Forbidden"}, "get", "pods", "--namespace=search")
	})
}
