package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// step is one thing to try.
type step struct {
	expect string
	user   string
	args   string
}

var steps = []step{
	{"alice is whom her token names", "alice", "auth whoami"},
	{"her role lets her work in payments", "alice", "get pods --namespace=payments"},
	{"a guard rail keeps her from the control plane's secrets, and says why", "alice", "get secrets --namespace=kube-system"},
	{"bob sees his own namespace", "bob", "get pods --namespace=search"},
	{"verdict has no opinion on bob in payments, nor has RBAC a role for him", "bob", "get pods --namespace=payments"},
	{"carol, of the platform team, may read those secrets", "carol", "get secrets --namespace=kube-system"},
	{"a pod of payments, for zone eu-1b", "alice", "run checkout --namespace=payments --image=registry.example/checkout:1 --annotations=verdict.dev/tenant=payments --annotations=verdict.dev/zones=eu-1b"},
	{"it goes to the tenant's node in that zone: payments-2", "alice", "wait pod/checkout --namespace=payments --for=jsonpath={.spec.nodeName}=payments-2 --timeout=20s"},
	{"a pod of a tenant that has no node", "alice", "run stray --namespace=payments --image=registry.example/stray:1 --annotations=verdict.dev/tenant=nobody"},
	{"the scheduler gives it no node", "alice", "wait pod/stray --namespace=payments --for=condition=PodScheduled=false --timeout=20s"},
	{"and passes on why", "alice", "get events --namespace=payments --field-selector=involvedObject.name=stray"},
}

// show prints the steps as commands to paste, each below a comment that says
// what to expect.
func show(out io.Writer, cluster *controlplane.ControlPlane, kubeconfigs map[string]string) {
	var text strings.Builder
	fmt.Fprintf(&text, "\nRunning. Everything is in %s\n", cluster.Dir)
	fmt.Fprintf(&text, "Policies (edit them, the next answer differs): %s\n", cluster.PolicyDir())
	fmt.Fprintf(&text, "An administrator's kubeconfig: %s\n\nTry:\n", kubeconfigs["admin"])
	for _, s := range steps {
		fmt.Fprintf(&text, "\n# %s\n%s --kubeconfig=%s %s\n", s.expect, cluster.Binaries.Kubectl, kubeconfigs[s.user], s.args)
	}
	fmt.Fprint(&text, "\nCtrl-C ends it and removes everything.\n")
	_, _ = io.WriteString(out, text.String())
}
