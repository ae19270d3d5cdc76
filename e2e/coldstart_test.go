package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// ownControlPlane is one that a test may stop, with these policies about
// placement, and a verdict that binds. Its apiserver asks verdict about people and
// workloads, and denies what gets no answer.
func ownControlPlane(t *testing.T, placement, scheduling string) *controlplane.ControlPlane {
	t.Helper()
	own, err := controlplane.New(t.Context(), os.Stderr)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(filepath.Join(own.Dir, "logs"))
		}
		must(t, own.Close())
	})
	must(t, own.InstallVerdict("testdata/policy"))
	_, err = own.AddUsers(t.Context(), users...)
	must(t, err)
	if placement != "" {
		usePlacement(t, own, placement)
	}
	file := filepath.Join(own.VerdictDir(), "config.yaml")
	config, err := os.ReadFile(file)
	must(t, err)
	edit(t, file, string(config)+"\nscheduling:\n"+scheduling+"  bind: {enabled: true}\n")
	must(t, own.EnsureAPIServer(t.Context(), own.ConfigurationFlags()))
	must(t, own.GrantVerdict(t.Context()))
	must(t, own.StartVerdict(t.Context()))
	must(t, own.WaitVerdictReady(t.Context()))
	return own
}

// A control plane that was halted comes up in whatever order its parts start, and
// places a pod: none of them waits for another that waits for it.
func TestColdStart(t *testing.T) {
	own := ownControlPlane(t, "", "")
	client, err := own.Admin()
	must(t, err)
	makeNamespace(t, client, "cold")
	_, err = client.CoreV1().Nodes().Create(t.Context(), node("payments-0", map[string]string{"example.com/tenant": "payments", "example.com/rank": "1"}), createOptions)
	must(t, err)
	must(t, own.StartSchedulerWith(t.Context(), controlplane.Extender{URL: own.VerdictURL() + "/scheduler", Verbs: []string{"filter", "prioritize", "bind"}}))
	verdict, err := own.CertificateKubeconfig(controlplane.VerdictUser)
	must(t, err)
	asVerdict, err := controlplane.Client(verdict)
	must(t, err)

	const etcd, apiserver, scheduler, itself = controlplane.Etcd, controlplane.APIServer, controlplane.Scheduler, controlplane.Verdict
	for i, order := range [][]controlplane.Component{
		{etcd, apiserver, scheduler, itself},
		{itself, scheduler, apiserver, etcd},
		{scheduler, etcd, itself, apiserver},
		{apiserver, itself, etcd, scheduler},
	} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			own.Halt()
			began := time.Now()
			for at, component := range order {
				must(t, own.Launch(component))
				if at == len(order)-1 {
					break
				}
				time.Sleep(500 * time.Millisecond)
			}
			// What ends because another one is not there yet is started again, as a
			// kubelet does.
			eventually(t, time.Minute, func() error {
				for _, component := range order {
					must(t, own.Launch(component))
				}
				return own.Ready(t.Context())
			})
			ready := time.Since(began)
			name := fmt.Sprint("pod-", i)
			_, err := client.CoreV1().Pods("cold").Create(t.Context(), pod(name, "payments"), createOptions)
			must(t, err)
			eventually(t, 30*time.Second, func() error {
				made, err := client.CoreV1().Pods("cold").Get(t.Context(), name, getOptions)
				if err == nil && made.Spec.NodeName == "" {
					err = fmt.Errorf("the pod has no node: %v", made.Status.Conditions)
				}
				return err
			})
			t.Logf("ready after %s, a pod placed after %s", ready.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
		})
	}

	t.Run("verdict's access does not wait for verdict", func(t *testing.T) {
		own.Halt()
		must(t, own.Launch(etcd))
		eventually(t, time.Minute, func() error {
			must(t, own.Launch(apiserver))
			nodes, err := asVerdict.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
			if err == nil && len(nodes.Items) != 1 {
				err = fmt.Errorf("%d nodes", len(nodes.Items))
			}
			return err
		})
		if _, err := asVerdict.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("list pods: %v", err)
		}
	})
}
