package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Addresses and folders as the files in deploy/ name them.
const (
	deployedWebhookAddress    = "127.0.0.1:8443"
	deployedOperationsAddress = "127.0.0.1:8081"
	deployedKubernetesDir     = "/etc/kubernetes/"
	deployedVerdictDir        = "/etc/verdict/"
)

// DeployDir is the folder of the files that an operator applies.
func DeployDir(ctx context.Context) (string, error) {
	module, err := moduleDir(ctx)
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(module), "deploy"), nil
}

// StarterPolicyDir is the folder of the policies that ship inside verdict,
// example data included.
func StarterPolicyDir(ctx context.Context) (string, error) {
	module, err := moduleDir(ctx)
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(module), "rego", "starter"), nil
}

// install copies one file of deploy/ into the run: it replaces addresses and
// paths, and nothing else.
func (c *ControlPlane) install(source, target string) error {
	return c.installAt(source, target, c.verdictAddress, c.operationsAddress)
}

// installAt does so for a verdict at these addresses.
func (c *ControlPlane) installAt(source, target, webhooks, operations string) error {
	data, err := os.ReadFile(filepath.Join(c.deploy, filepath.FromSlash(source)))
	if err != nil {
		return fmt.Errorf("read a file to install: %w", err)
	}
	text := strings.NewReplacer(
		deployedWebhookAddress, webhooks,
		deployedOperationsAddress, operations,
		deployedKubernetesDir, c.kubernetesDir()+"/",
		deployedVerdictDir, c.VerdictDir()+"/",
	).Replace(string(data))
	return writeFile(target, text)
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
