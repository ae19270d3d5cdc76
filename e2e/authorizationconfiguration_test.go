package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// unanswered is what kubectl says of a request that an apiserver denied
// because it could not ask: an internal error that names the webhook.
var unanswered = []string{"Internal Server Error", "/authorize"}

func TestAuthorizationConfiguration(t *testing.T) {
	arrange(t, shared.ConfigurationFlags())
	robot := serviceAccountKubeconfig(t, "payments", "robot")

	t.Run("people", testDecisions)
	t.Run("workloads", func(t *testing.T) {
		allowed(t, robot, "get", "services", "--namespace=payments")
		refused(t, robot, []string{"Forbidden", "the robot is out of order"}, "get", "configmaps", "--namespace=payments")
	})

	// What the match conditions leave out is decided without verdict; what
	// they let in is denied while it is away.
	shared.KillVerdict()
	t.Run("without verdict people are denied", func(t *testing.T) {
		refused(t, engineer(t), unanswered, "get", "pods", "--namespace=payments")
		refused(t, engineer(t), unanswered, "get", "secrets", "--namespace=payments")
	})
	t.Run("without verdict workloads are denied", func(t *testing.T) {
		refused(t, robot, unanswered, "get", "services", "--namespace=payments", "--selector=not=cached")
	})
	t.Run("without verdict the control plane works", func(t *testing.T) {
		scheduler := filepath.Join(shared.Dir, "etc-kubernetes", "scheduler.conf")
		allowed(t, scheduler, "get", "pods", "--all-namespaces")
		allowed(t, shared.AdminKubeconfig, "get", "secrets", "--namespace=payments")
	})
	t.Run("without verdict a kubelet works", func(t *testing.T) {
		kubelet, err := shared.CertificateKubeconfig("system:node:node-1", "system:nodes")
		must(t, err)
		allowed(t, kubelet, "get", "services", "--namespace=payments")
	})
	t.Run("without verdict service accounts of the control plane work", func(t *testing.T) {
		allowed(t, serviceAccountKubeconfig(t, "kube-system", "namespace-controller"), "get", "--raw=/api")
	})
	t.Run("verdict's own identity works without it", testOwnIdentity)
	t.Run("without verdict the apiserver's probes work", func(t *testing.T) {
		anybody, err := shared.Anonymous()
		must(t, err)
		for _, path := range []string{"/livez", "/readyz", "/healthz"} {
			if err := anybody.Discovery().RESTClient().Get().AbsPath(path).Do(t.Context()).Error(); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		if err := anybody.Discovery().RESTClient().Get().AbsPath("/version").Do(t.Context()).Error(); err == nil {
			t.Error("/version was answered, though verdict had to be asked")
		}
	})
	t.Run("without the webhooks RBAC decides, no restart needed", func(t *testing.T) {
		t.Cleanup(shared.KillAPIServer) // the next test gets one with the file as it was
		file := filepath.Join(shared.ConnectionDir(), "authorization-config.yaml")
		edit(t, file, `{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration",
			"authorizers": [{"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}]}`)
		eventually(t, 90*time.Second, func() error {
			if result := kubectl(t, engineer(t), "get", "services", "--namespace=payments"); result.Exit != 0 {
				return fmt.Errorf("not yet: %s", result)
			}
			return nil
		})
	})
}

// testOwnIdentity tries what verdict itself asks the apiserver for, as each of
// its identities, while verdict cannot be asked.
func testOwnIdentity(t *testing.T) {
	static := filepath.Join(shared.VerdictDir(), "kubeconfig.yaml")
	deployment := serviceAccountKubeconfig(t, "verdict-system", "verdict")
	binder := serviceAccountKubeconfig(t, "verdict-system", "verdict-bind")
	bind := []string{"auth", "can-i", "create", "pods", "--subresource=binding", "--all-namespaces"}
	for _, identity := range []string{static, deployment, binder} {
		allowed(t, identity, "get", "nodes")
		allowed(t, identity, "get", "pods", "--all-namespaces")
		refused(t, identity, []string{"Forbidden"}, "get", "secrets", "--all-namespaces")
	}
	for _, identity := range []string{static, binder} {
		allowed(t, identity, bind...)
		allowed(t, identity, "auth", "can-i", "create", "leases.coordination.k8s.io", "--namespace=verdict-system")
		allowed(t, identity, "auth", "can-i", "update", "leases.coordination.k8s.io/verdict-bind", "--namespace=verdict-system")
	}
	if result := kubectl(t, deployment, bind...); result.Exit == 0 {
		t.Errorf("a Verdict that does not bind may: %s", result)
	}
}

// engineer is known by a certificate, so that no token has to be reviewed.
func engineer(t *testing.T) string {
	t.Helper()
	path, err := shared.CertificateKubeconfig("erin", "payments-engineers")
	must(t, err)
	return path
}

// serviceAccountKubeconfig is for a token that the apiserver issues.
func serviceAccountKubeconfig(t *testing.T, namespace, name string) string {
	t.Helper()
	accounts := admin(t).CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Get(t.Context(), name, getOptions); err != nil {
		_, err = accounts.Create(t.Context(), serviceAccount(namespace, name), createOptions)
		must(t, err)
	}
	answer, err := admin(t).CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), name, tokenRequest(controlplane.Audience), createOptions)
	must(t, err)
	path, err := shared.TokenKubeconfig(namespace+"-"+name, answer.Status.Token)
	must(t, err)
	return path
}
