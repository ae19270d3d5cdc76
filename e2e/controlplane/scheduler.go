package controlplane

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Forms in which the scheduler sends nodes to an extender.
const (
	// NodeNames is nodeCacheCapable: true, the form of deploy/.
	NodeNames = "names"
	// WholeNodes is nodeCacheCapable: false.
	WholeNodes = "whole-nodes"
)

// StartScheduler runs a scheduler with the extender of deploy/, in one of the
// two forms, replacing the one that runs. Its log starts empty.
func (c *ControlPlane) StartScheduler(ctx context.Context, form string) error {
	if err := c.install("scheduler/scheduler-config.yaml", c.schedulerConfig()); err != nil {
		return err
	}
	if form == WholeNodes {
		if err := replaceOnce(c.schedulerConfig(), "nodeCacheCapable: true", "nodeCacheCapable: false"); err != nil {
			return err
		}
	}
	return c.runScheduler(ctx)
}

// Extender is one of a scheduler's; what it does not say is as in deploy/.
type Extender struct {
	// URL is where it answers, without a verb.
	URL string
	// Verbs are those of "filter", "prioritize", "preempt" and "bind" it is asked.
	Verbs []string
	// Resources are its managedResources; without any it is asked about all pods.
	Resources []string
	// Form is NodeNames, which is the default, or WholeNodes.
	Form string
}

// StartSchedulerWith does as StartScheduler with these extenders in place of
// that of deploy/.
func (c *ControlPlane) StartSchedulerWith(ctx context.Context, extenders ...Extender) error {
	if err := c.install("scheduler/scheduler-config.yaml", c.schedulerConfig()); err != nil {
		return err
	}
	data, err := os.ReadFile(c.schedulerConfig())
	if err != nil {
		return fmt.Errorf("change a configuration: %w", err)
	}
	const list = "extenders:\n"
	head, _, found := strings.Cut(string(data), list)
	if !found {
		return fmt.Errorf("%s has no extenders", c.schedulerConfig())
	}
	var text strings.Builder
	text.WriteString(head + list)
	for _, extender := range extenders {
		text.WriteString(extender.entry(c.ConnectionDir()))
	}
	if err := writeFile(c.schedulerConfig(), text.String()); err != nil {
		return err
	}
	return c.runScheduler(ctx)
}

func (e Extender) entry(connection string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "  - urlPrefix: %s\n", e.URL)
	for _, verb := range e.Verbs {
		fmt.Fprintf(&text, "    %sVerb: %s\n", verb, verb)
	}
	if len(e.Resources) > 0 {
		text.WriteString("    managedResources:\n")
	}
	for _, resource := range e.Resources {
		fmt.Fprintf(&text, "      - name: %s\n", resource)
	}
	fmt.Fprintf(&text, `    weight: 10
    enableHTTPS: true
    httpTimeout: 5s
    nodeCacheCapable: %t
    tlsConfig:
      caFile: %[2]s/ca.crt
      certFile: %[2]s/kube-scheduler.crt
      keyFile: %[2]s/kube-scheduler.key
`, e.Form != WholeNodes, connection)
	return text.String()
}

func (c *ControlPlane) schedulerConfig() string {
	return filepath.Join(c.kubernetesDir(), "scheduler-config.yaml")
}

// runScheduler replaces the scheduler that runs by one with the configuration
// that was written, and waits until it is ready.
func (c *ControlPlane) runScheduler(ctx context.Context) error {
	c.StopScheduler()
	if err := os.Remove(c.log("kube-scheduler")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("empty the scheduler's log: %w", err)
	}
	for attempt := 1; ; attempt++ {
		address, err := FreeAddress()
		if err != nil {
			return err
		}
		c.schedulerAddress = address
		process, err := c.launchScheduler()
		if err != nil {
			return err
		}
		c.scheduler = process
		err = process.waitFor(ctx, c.schedulerReady)
		if err == nil || attempt == bindAttempts || !addressTaken(process) {
			return err
		}
	}
}

// launchScheduler starts the program.
func (c *ControlPlane) launchScheduler() (*Process, error) {
	return startProcess("kube-scheduler", c.log("kube-scheduler"), c.Binaries.Scheduler,
		"--config="+c.schedulerConfig(),
		"--bind-address=127.0.0.1",
		"--secure-port="+port(c.schedulerAddress),
		"--cert-dir="+c.pki("scheduler-self"),
		"--authorization-always-allow-paths=/healthz,/readyz,/livez",
		"--authentication-kubeconfig="+filepath.Join(c.kubernetesDir(), "scheduler.conf"),
		"--authorization-kubeconfig="+filepath.Join(c.kubernetesDir(), "scheduler.conf"),
		// It is the only one, and a killed one must not be waited for.
		"--leader-elect=false",
		// Decisions on preemption are logged from here on.
		"--v=4",
	)
}

func (c *ControlPlane) schedulerReady(ctx context.Context) error {
	// Its certificate is its own, and only probes check it.
	anybody := &tls.Config{InsecureSkipVerify: true}
	return get(ctx, "https://"+c.schedulerAddress+"/readyz", anybody)
}

// StopScheduler ends the scheduler.
func (c *ControlPlane) StopScheduler() { c.scheduler.Kill() }

// SchedulerLog is what the current scheduler has logged.
func (c *ControlPlane) SchedulerLog() string { return c.scheduler.Log() }

// replaceOnce changes the one place in a file that holds a text.
func replaceOnce(path, from, to string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("change a configuration: %w", err)
	}
	if n := strings.Count(string(data), from); n != 1 {
		return fmt.Errorf("%s holds %q %d times, not once", path, from, n)
	}
	return writeFile(path, strings.Replace(string(data), from, to, 1))
}
