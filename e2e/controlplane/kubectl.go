package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Result is what one run of kubectl gave.
type Result struct {
	Stdout string
	Stderr string
	// Exit is the exit code, -1 when kubectl was killed.
	Exit int
	// Took is the wall time of the run.
	Took time.Duration
}

// String shows the result as a terminal would, for messages of tests.
func (r Result) String() string {
	return fmt.Sprintf("exit code %d after %s\n%s%s", r.Exit, r.Took.Round(time.Millisecond), r.Stdout, r.Stderr)
}

// Kubectl runs kubectl as the user of a kubeconfig. A kubectl that fails is a
// result; an error means that it could not be run, or was cut short by ctx.
func (c *ControlPlane) Kubectl(ctx context.Context, kubeconfig string, args ...string) (Result, error) {
	return c.KubectlInput(ctx, kubeconfig, "", args...)
}

// KubectlInput is Kubectl with something on its standard input.
func (c *ControlPlane) KubectlInput(ctx context.Context, kubeconfig, input string, args ...string) (Result, error) {
	user := strings.TrimSuffix(filepath.Base(kubeconfig), ".yaml")
	cmd := exec.CommandContext(ctx, c.Binaries.Kubectl, args...)
	cmd.Dir = c.Dir
	// No HOME, so that no ~/.kube is read. The cache is per user, as it
	// would be on their machines.
	cmd.Env = append(os.Environ(),
		"HOME="+filepath.Join(c.Dir, "home"),
		"KUBECONFIG="+kubeconfig,
		"KUBECACHEDIR="+filepath.Join(c.Dir, "kubectl-cache", user),
	)
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	result := Result{
		Stdout: stdout.String(),
		Stderr: stderr.String(),
		Exit:   cmd.ProcessState.ExitCode(),
		Took:   time.Since(start),
	}
	if ctx.Err() != nil {
		return result, fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), ctx.Err())
	}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return result, fmt.Errorf("run kubectl: %w", err)
	}
	return result, nil
}
