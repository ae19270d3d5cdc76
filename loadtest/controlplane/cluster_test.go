package controlplane

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

func TestFillAndChurn(t *testing.T) {
	client := fake.NewClientset().CoreV1()
	nodes := generate.Nodes(20, 1)
	for i := range 2 { // the second time more are added
		if err := Fill(t.Context(), client, nodes[10*i:10*i+10], 100*i, 100, 1); err != nil {
			t.Fatal(err)
		}
	}
	count := func() map[string]int {
		pods, err := client.Pods(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		on := map[string]int{}
		for i := range pods.Items {
			on[pods.Items[i].Spec.NodeName]++
		}
		return on
	}
	check := func(when string) {
		t.Helper()
		on := count()
		for i := range nodes {
			if on[nodes[i].Name] != 10 {
				t.Errorf("%s: %d pods on %s, want 10", when, on[nodes[i].Name], nodes[i].Name)
			}
		}
	}
	check("filled")

	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	churned, err := Churn{Client: client, Nodes: nodes, FirstPod: 200, PerSecond: 100, Seed: 1}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if churned.Pods < 100 || churned.Pods > 151 {
		t.Errorf("%d pods came, %.0f a second; want about 150", churned.Pods, churned.PerSecond())
	}
	check("after the churn")
}

func TestFillEndsWithTheFirstError(t *testing.T) {
	client := fake.NewClientset().CoreV1()
	nodes := generate.Nodes(2, 1)
	if err := Fill(t.Context(), client, nodes, 0, 2, 1); err != nil {
		t.Fatal(err)
	}
	if err := Fill(t.Context(), client, nodes, 0, 2, 1); err == nil || !strings.Contains(err.Error(), "creating nodes") {
		t.Errorf("nodes that exist: %v", err)
	}
	if err := Fill(t.Context(), client, generate.Nodes(3, 1)[2:], 0, 2, 1); err == nil || !strings.Contains(err.Error(), "creating pods") {
		t.Errorf("pods that exist: %v", err)
	}
}

func TestStart(t *testing.T) {
	c, err := start(t.Context(), exec.Command("sh", "-c", `echo '{"admin": "a", "verdict": "v"}'; cat >/dev/null`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin != "a" || c.Verdict != "v" {
		t.Errorf("kubeconfigs %q and %q", c.Admin, c.Verdict)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := start(t.Context(), exec.Command("sh", "-c", "echo no etcd >&2; exit 3")); err == nil || !strings.Contains(err.Error(), "no etcd") {
		t.Errorf("one that ends: %v", err)
	}
}
