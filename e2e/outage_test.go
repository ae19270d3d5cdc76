package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// The apiserver is killed while pods are made and bound, and comes back.
// Verdict says meanwhile since when it heard nothing, stays ready for tokens and
// access, and binds on afterwards by itself.
func TestAPIServerRestartsUnderLoad(t *testing.T) {
	own := ownControlPlane(t, "devices.rego", seesDevices)
	client, err := own.Admin()
	must(t, err)
	nodes, _ := deviceNodes(10)
	for _, node := range nodes {
		_, err := client.CoreV1().Nodes().Create(t.Context(), node, createOptions)
		must(t, err)
	}
	awaitNodes(t, own.OperationsURL(), len(nodes))
	must(t, own.StartSchedulerWith(t.Context(), controlplane.Extender{URL: own.VerdictURL() + "/scheduler", Verbs: []string{"filter", "bind"}}))
	const namespace = "outage"
	makeNamespace(t, client, namespace)
	pods := startPods(t, client, namespace)
	pods.areBound(t, 15*time.Second)

	own.KillAPIServer()
	killed := time.Now()
	eventually(t, 10*time.Second, func() error {
		status, err := page(t, own.OperationsURL()+"/readyz?verbose")
		if err == nil && strings.Count(status, ", then: ") != 2 {
			err = fmt.Errorf("readiness does not say that contact was lost, with nodes and with pods:\n%s", status)
		}
		return err
	})
	time.Sleep(4 * time.Second)
	for _, resource := range []string{"nodes", "pods"} {
		if heard := lastContact(t, own, resource); heard.After(killed.Add(time.Second)) {
			t.Errorf("verdict heard of the %s %s after the apiserver was killed", resource, heard.Sub(killed))
		}
	}
	response, err := http.Get(own.OperationsURL() + "/readyz")
	must(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/readyz is %s, and verdict has to stay in service", response.Status)
	}

	must(t, own.EnsureAPIServer(t.Context(), own.ConfigurationFlags()))
	back := time.Now()
	pods.areBound(t, 30*time.Second)
	eventually(t, time.Minute, func() error {
		for _, resource := range []string{"nodes", "pods"} {
			if heard := lastContact(t, own, resource); heard.Before(back) {
				return fmt.Errorf("verdict has not heard of the %s since the apiserver is back", resource)
			}
		}
		status, err := page(t, own.OperationsURL()+"/readyz?verbose")
		if err == nil && strings.Contains(status, ", then: ") {
			err = fmt.Errorf("readiness says that contact is lost:\n%s", status)
		}
		return err
	})
	t.Logf("in contact again %s after the apiserver is back", time.Since(back).Round(10*time.Millisecond))
	t.Logf("%d pods were bound", pods.allBound(t))
}

// lastContact is what verdict_cluster_last_contact_timestamp_seconds says.
func lastContact(t *testing.T, of *controlplane.ControlPlane, resource string) time.Time {
	t.Helper()
	metrics, err := page(t, of.OperationsURL()+"/metrics")
	must(t, err)
	var seconds float64
	line := lines(metrics, fmt.Sprintf("verdict_cluster_last_contact_timestamp_seconds{resource=%q}", resource))
	if _, err := fmt.Sscan(line[strings.Index(line, " ")+1:], &seconds); err != nil {
		t.Fatalf("when was contact with the %s: %q: %v", resource, line, err)
	}
	return time.UnixMilli(int64(seconds * 1000))
}
