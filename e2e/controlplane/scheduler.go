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
	c.StopScheduler()
	config := filepath.Join(c.kubernetesDir(), "scheduler-config.yaml")
	if err := c.install("scheduler/scheduler-config.yaml", config); err != nil {
		return err
	}
	if form == WholeNodes {
		if err := replaceOnce(config, "nodeCacheCapable: true", "nodeCacheCapable: false"); err != nil {
			return err
		}
	}
	if err := os.Remove(c.log("kube-scheduler")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("empty the scheduler's log: %w", err)
	}
	for attempt := 1; ; attempt++ {
		address, err := FreeAddress()
		if err != nil {
			return err
		}
		process, err := startProcess("kube-scheduler", c.log("kube-scheduler"), c.Binaries.Scheduler,
			"--config="+config,
			"--bind-address=127.0.0.1",
			"--secure-port="+port(address),
			"--cert-dir="+c.pki("scheduler-self"),
			"--authorization-always-allow-paths=/healthz,/readyz,/livez",
			"--authentication-kubeconfig="+filepath.Join(c.kubernetesDir(), "scheduler.conf"),
			"--authorization-kubeconfig="+filepath.Join(c.kubernetesDir(), "scheduler.conf"),
			// It is the only one, and a killed one must not be waited for.
			"--leader-elect=false",
			// Decisions on preemption are logged from here on.
			"--v=4",
		)
		if err != nil {
			return err
		}
		c.scheduler, c.schedulerAddress = process, address
		// Its certificate is its own and checked by nobody but probes.
		anybody := &tls.Config{InsecureSkipVerify: true}
		err = process.waitFor(ctx, func(ctx context.Context) error {
			return get(ctx, "https://"+address+"/readyz", anybody)
		})
		if err == nil || attempt == bindAttempts || !addressTaken(process) {
			return err
		}
	}
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
