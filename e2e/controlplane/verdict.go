package controlplane

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// InstallVerdict installs the configuration of deploy/ and a copy of the
// policies in policyDir. It ends a verdict that runs.
func (c *ControlPlane) InstallVerdict(policyDir string) error {
	c.verdict.Kill()
	if err := c.installPolicies(policyDir); err != nil {
		return err
	}
	return c.installConnection()
}

// installPolicies replaces the policies on disk, whether or not verdict runs.
func (c *ControlPlane) installPolicies(policyDir string) error {
	target := c.PolicyDir()
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("remove the policies: %w", err)
	}
	if err := os.CopyFS(target, os.DirFS(policyDir)); err != nil {
		return fmt.Errorf("copy the policies of %s: %w", policyDir, err)
	}
	return nil
}

// PolicyDir is the folder verdict reads policies from.
func (c *ControlPlane) PolicyDir() string { return filepath.Join(c.VerdictDir(), "policy") }

func (c *ControlPlane) installConnection() error {
	for source, target := range map[string]string{
		"verdict/config.yaml":                              filepath.Join(c.VerdictDir(), "config.yaml"),
		"apiserver/authentication-webhook.kubeconfig.yaml": filepath.Join(c.ConnectionDir(), "authentication-webhook.kubeconfig.yaml"),
		"apiserver/authorization-webhook.kubeconfig.yaml":  filepath.Join(c.ConnectionDir(), "authorization-webhook.kubeconfig.yaml"),
		"apiserver/authorization-config.yaml":              filepath.Join(c.ConnectionDir(), "authorization-config.yaml"),
	} {
		if err := c.install(source, target); err != nil {
			return err
		}
	}
	return nil
}

// StartVerdict runs verdict and waits until it is alive; WaitVerdictReady
// waits for more, once there is an apiserver for its node informer.
func (c *ControlPlane) StartVerdict(ctx context.Context) error {
	c.verdict.Kill()
	for attempt := 1; ; attempt++ {
		process, err := c.launchVerdict()
		if err != nil {
			return err
		}
		c.verdict = process
		err = process.waitFor(ctx, func(ctx context.Context) error {
			return get(ctx, c.OperationsURL()+"/livez", nil)
		})
		// Once an apiserver was told where verdict is, it can't move.
		if err == nil || attempt == bindAttempts || c.apiserver != nil || !addressTaken(process) {
			return err
		}
		if err := c.chooseAddresses(); err != nil {
			return err
		}
		if err := c.installConnection(); err != nil {
			return err
		}
	}
}

// WaitVerdictReady waits until verdict says it is ready: policies compiled
// and nodes known.
func (c *ControlPlane) WaitVerdictReady(ctx context.Context) error {
	return c.verdict.waitFor(ctx, c.verdictReady)
}

// launchVerdict starts the program.
func (c *ControlPlane) launchVerdict() (*Process, error) {
	return startProcess("verdict", c.log("verdict"), c.verdictBinary,
		"serve", "--config", filepath.Join(c.VerdictDir(), "config.yaml"))
}

func (c *ControlPlane) verdictReady(ctx context.Context) error {
	return get(ctx, c.OperationsURL()+"/readyz?verbose", nil)
}

// KillVerdict ends verdict without warning.
func (c *ControlPlane) KillVerdict() { c.verdict.Kill() }

// WaitVerdict waits until verdict has ended by itself, and returns an error
// when it did not exit with 0.
func (c *ControlPlane) WaitVerdict(ctx context.Context) error { return c.verdict.Wait(ctx) }

// VerdictLog is all that the verdicts of this run have logged.
func (c *ControlPlane) VerdictLog() string { return c.verdict.Log() }

// CallerTLS is what a component ("kube-apiserver", "kube-scheduler") uses to
// call verdict.
func (c *ControlPlane) CallerTLS(component string) (*tls.Config, error) {
	base := filepath.Join(c.ConnectionDir(), component)
	return clientTLS(c.verdictCA.File, Pair{CertFile: base + ".crt", KeyFile: base + ".key"})
}

// GrantVerdict applies what verdict may do from deploy/, for both of its
// forms.
func (c *ControlPlane) GrantVerdict(ctx context.Context) error {
	for _, file := range []string{"namespace.yaml", "rbac.yaml", "rbac-bind.yaml"} {
		result, err := c.Kubectl(ctx, c.AdminKubeconfig, "apply", "--validate=strict", "--filename", filepath.Join(c.deploy, "kubernetes", file))
		if err != nil {
			return err
		}
		if result.Exit != 0 {
			return fmt.Errorf("apply %s: %s", file, result)
		}
	}
	return nil
}

// Verdict runs another of verdict's commands and returns all it printed.
func (c *ControlPlane) Verdict(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, c.verdictBinary, args...).CombinedOutput()
	return string(out), err
}

// SignalVerdict sends verdict a signal.
func (c *ControlPlane) SignalVerdict(signal syscall.Signal) error { return c.verdict.Signal(signal) }
