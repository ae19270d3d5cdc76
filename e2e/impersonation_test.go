package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// impersonationCase is one mode of impersonation (KEP-5284), by somebody whom
// RBAC lets impersonate in that mode alone.
type impersonationCase struct {
	mode string
	// caller is the kubeconfig of who impersonates, subject how RBAC names them.
	caller  string
	subject string
	// rules let the caller impersonate in this mode, whomever.
	rules []rbacv1.PolicyRule
	// trusted is somebody whom the guard rails keep, and others somebody whom they
	// do not, nil where the mode is for the trusted alone.
	trusted rest.ImpersonationConfig
	others  *rest.ImpersonationConfig
}

// TestImpersonation impersonates in every mode that kube-apiserver has, with
// RBAC that allows it: by the starter's guard rails, as those who are trusted
// with kube-system, as others, and by the rule on docs/policies.md that refuses
// all of it.
func TestImpersonation(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	cases := impersonationCases(t)
	// Everybody may list config maps, so that only impersonation can fail.
	allowed(t, shared.AdminKubeconfig, "create", "clusterrole", "list-configmaps", "--verb=list", "--resource=configmaps")
	t.Cleanup(func() { deleteNow(t, "clusterrole", "list-configmaps") })
	allowed(t, shared.AdminKubeconfig, "create", "clusterrolebinding", "list-configmaps", "--clusterrole=list-configmaps", "--group=system:authenticated")
	t.Cleanup(func() { deleteNow(t, "clusterrolebinding", "list-configmaps") })

	t.Run("as others by the guard rails, when RBAC allows it", func(t *testing.T) {
		starterAuthorization(t, "")
		for _, c := range cases {
			t.Run(c.mode, func(t *testing.T) {
				if c.others != nil {
					soonForbidden(t, c.caller, "", *c.others)
				}
				letImpersonate(t, c)
				if c.others != nil {
					soonAllowed(t, c.caller, *c.others)
				}
				soonForbidden(t, c.caller, "only trusted groups may impersonate users trusted with kube-system", c.trusted)
			})
		}
	})
	t.Run("as the trusted, by those who are trusted themselves", func(t *testing.T) {
		starterAuthorization(t, `{"users": ["impersonator", "system:serviceaccount:payments:robot"], "groups": []}`)
		for _, c := range cases {
			t.Run(c.mode, func(t *testing.T) {
				letImpersonate(t, c)
				soonAllowed(t, c.caller, c.trusted)
			})
		}
	})
	t.Run("by a rule about verbs.impersonation", func(t *testing.T) {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "authorization.rego"), ruleOfPoliciesPage(t))
		usePolicies(t, folder)
		for _, c := range cases {
			t.Run(c.mode, func(t *testing.T) {
				letImpersonate(t, c)
				soonForbidden(t, c.caller, "kubernetes.authorization.deny", c.trusted)
				if c.others != nil {
					soonForbidden(t, c.caller, "kubernetes.authorization.deny", *c.others)
				}
			})
		}
	})
	t.Run("by a role with every verb, as RBAC grants it", func(t *testing.T) {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "data.yaml"), `access:
  roles: {everything: [{verbs: ["*"], groups: ["*"], resources: ["*"]}]}
  users: {impersonator: [{role: everything, namespaces: ["*"]}]}
`)
		copyStarterAuthorization(t, folder)
		usePolicies(t, folder)
		for _, c := range cases {
			if c.subject != person {
				continue
			}
			t.Run(c.mode, func(t *testing.T) {
				if c.others != nil {
					soonAllowed(t, c.caller, *c.others)
				}
				soonForbidden(t, c.caller, "", c.trusted)
			})
		}
	})
}

// person is how RBAC names the one who impersonates; robot does it as a pod.
const (
	person = "--user=impersonator"
	robot  = "--serviceaccount=payments:robot"
)

// listAs lists config maps in one request, as somebody else.
func listAs(t *testing.T, kubeconfig string, who rest.ImpersonationConfig) error {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.Impersonate = who
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	_, err = client.CoreV1().ConfigMaps("search").List(t.Context(), metav1.ListOptions{})
	return err
}

// soonAllowed is allowed once RBAC has seen what was bound.
func soonAllowed(t *testing.T, kubeconfig string, who rest.ImpersonationConfig) {
	t.Helper()
	eventually(t, 30*time.Second, func() error { return listAs(t, kubeconfig, who) })
}

// soonForbidden is refused with a text, which needs RBAC to have seen what was
// bound, and is never allowed.
func soonForbidden(t *testing.T, kubeconfig, text string, who rest.ImpersonationConfig) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		err := listAs(t, kubeconfig, who)
		if !apierrors.IsForbidden(err) {
			t.Fatalf("as %+v: error %v, want Forbidden", who, err)
		}
		if !strings.Contains(err.Error(), text) {
			return fmt.Errorf("as %+v: %w, want one that says %q", who, err, text)
		}
		return nil
	})
}

// impersonationCases makes the callers: a person, and the service account of a
// pod that runs on a node.
func impersonationCases(t *testing.T) []impersonationCase {
	t.Helper()
	caller, err := shared.CertificateKubeconfig("impersonator")
	must(t, err)
	constrained := func(mode string, resources ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{
			{APIGroups: []string{"authentication.k8s.io"}, Resources: resources, Verbs: []string{"impersonate:" + mode}},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"impersonate-on:" + mode + ":list"}},
		}
	}
	legacy := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"users", "groups", "serviceaccounts"}, Verbs: []string{"impersonate"}},
	}
	return []impersonationCase{
		{
			mode: "associated-node", caller: boundToNode(t, "impersonation-node"), subject: robot,
			rules:   constrained("associated-node", "nodes"),
			trusted: rest.ImpersonationConfig{UserName: "system:node:impersonation-node"},
		},
		{
			mode: "arbitrary-node", caller: caller, subject: person,
			rules:   constrained("arbitrary-node", "nodes"),
			trusted: rest.ImpersonationConfig{UserName: "system:node:anywhere"},
		},
		{
			mode: "serviceaccount", caller: caller, subject: person,
			rules:   constrained("serviceaccount", "serviceaccounts"),
			trusted: rest.ImpersonationConfig{UserName: "system:serviceaccount:kube-system:generic-garbage-collector"},
			others:  &rest.ImpersonationConfig{UserName: "system:serviceaccount:search:indexer"},
		},
		{
			mode: "user-info, a user", caller: caller, subject: person,
			rules:   constrained("user-info", "users"),
			trusted: rest.ImpersonationConfig{UserName: "system:kube-controller-manager"},
			others:  &rest.ImpersonationConfig{UserName: "dora"},
		},
		{
			mode: "user-info, groups", caller: caller, subject: person,
			rules:   constrained("user-info", "users", "groups"),
			trusted: rest.ImpersonationConfig{UserName: "dora", Groups: []string{"staff", "system:nodes"}},
			others:  &rest.ImpersonationConfig{UserName: "dora", Groups: []string{"staff"}},
		},
		{
			mode: "user-info, many groups", caller: caller, subject: person,
			rules:   constrained("user-info", "users", "groups"),
			trusted: rest.ImpersonationConfig{UserName: "dora", Groups: []string{"a", "b", "c", "system:nodes"}},
			others:  &rest.ImpersonationConfig{UserName: "dora", Groups: []string{"a", "b", "c", "d"}},
		},
		{
			mode: "user-info, uid and extra", caller: caller, subject: person,
			rules:   constrained("user-info", "users", "uids", "userextras/example.com/shift"),
			trusted: rest.ImpersonationConfig{UserName: "system:kube-controller-manager", UID: "1", Extra: map[string][]string{"example.com/shift": {"early"}}},
			others:  &rest.ImpersonationConfig{UserName: "dora", UID: "1", Extra: map[string][]string{"example.com/shift": {"early"}}},
		},
		{
			mode: "legacy", caller: caller, subject: person,
			rules:   legacy,
			trusted: rest.ImpersonationConfig{UserName: "frank", Groups: []string{"system:masters"}},
			others:  &rest.ImpersonationConfig{UserName: "frank", Groups: []string{"staff"}},
		},
		{
			mode: "legacy, a service account", caller: caller, subject: person,
			rules:   legacy,
			trusted: rest.ImpersonationConfig{UserName: "system:serviceaccount:kube-system:token-cleaner"},
			others:  &rest.ImpersonationConfig{UserName: "system:serviceaccount:search:crawler"},
		},
	}
}

// boundToNode is the kubeconfig of a service account's token that is bound to a
// pod on the node: only such a one has the node as its own.
func boundToNode(t *testing.T, name string) string {
	t.Helper()
	client := admin(t)
	_, err := client.CoreV1().Nodes().Create(t.Context(), node(name, nil), createOptions)
	must(t, err)
	t.Cleanup(func() { deleteNow(t, "node", name) })
	running := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "robot", Namespace: "payments"},
		Spec: corev1.PodSpec{
			ServiceAccountName: "robot", NodeName: name,
			Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/app:v1"}},
		},
	}
	running, err = client.CoreV1().Pods("payments").Create(t.Context(), running, createOptions)
	must(t, err)
	t.Cleanup(func() { deleteNow(t, "pod", "robot", "--namespace=payments", "--force") })
	request := tokenRequest(controlplane.Audience)
	request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: running.Name, UID: running.UID}
	answer, err := client.CoreV1().ServiceAccounts("payments").CreateToken(t.Context(), "robot", request, createOptions)
	must(t, err)
	path, err := shared.TokenKubeconfig("payments-robot-on-a-node", answer.Status.Token)
	must(t, err)
	return path
}

// letImpersonate has RBAC allow what the case needs, until the test ends.
func letImpersonate(t *testing.T, c impersonationCase) {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "impersonate"}, Rules: c.rules}
	_, err := admin(t).RbacV1().ClusterRoles().Create(t.Context(), role, createOptions)
	must(t, err)
	t.Cleanup(func() { deleteNow(t, "clusterrole", "impersonate") })
	allowed(t, shared.AdminKubeconfig, "create", "clusterrolebinding", "impersonate", "--clusterrole=impersonate", c.subject)
	t.Cleanup(func() { deleteNow(t, "clusterrolebinding", "impersonate") })
}

// deleteNow is for a cleanup, also of a test that was stopped.
func deleteNow(t *testing.T, args ...string) {
	t.Helper()
	if result, err := shared.Kubectl(context.WithoutCancel(t.Context()), shared.AdminKubeconfig, append([]string{"delete"}, args...)...); err != nil || result.Exit != 0 {
		t.Errorf("kubectl delete %s: %s, error %v", strings.Join(args, " "), result, err)
	}
}

// starterAuthorization has verdict decide by the starter's authorization, with
// these trusted with kube-system.
func starterAuthorization(t *testing.T, trusted string) {
	t.Helper()
	folder := t.TempDir()
	if trusted != "" {
		write(t, filepath.Join(folder, "data.json"), `{"access": {"guardRails": {"kubeSystem": `+trusted+`}}}`)
	}
	copyStarterAuthorization(t, folder)
	usePolicies(t, folder)
}

func copyStarterAuthorization(t *testing.T, folder string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "rego", "starter", "authorization.rego"))
	must(t, err)
	write(t, filepath.Join(folder, "authorization.rego"), string(text))
}

// usePolicies restarts verdict with the policies of folder, and starts an apiserver
// with empty caches.
func usePolicies(t *testing.T, folder string) {
	t.Helper()
	must(t, shared.InstallVerdict(folder))
	must(t, shared.StartVerdict(t.Context()))
	shared.KillAPIServer()
	must(t, shared.EnsureAPIServer(t.Context(), shared.WebhookFlags("v1")))
	must(t, shared.WaitVerdictReady(t.Context()))
}

// ruleOfPoliciesPage is the file on docs/policies.md that refuses impersonation.
func ruleOfPoliciesPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(repository(t), "docs", "policies.md"))
	must(t, err)
	_, rest, found := strings.Cut(string(page), "# file: boolean/authorization.rego\n")
	text, _, ended := strings.Cut(rest, "```")
	if !found || !ended || !strings.Contains(text, "verbs.impersonation(") {
		t.Fatalf("docs/policies.md has no rule about impersonation in boolean/authorization.rego")
	}
	return text
}
