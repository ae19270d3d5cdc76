package controlplane

import (
	"context"
	"fmt"
	"path/filepath"
)

// OtherVerdict is a verdict that this control plane does not ask, such as that
// of another cluster.
type OtherVerdict struct {
	*Process
	// URL is where it answers webhooks, without a trailing slash.
	URL string
}

const otherVerdictConfig = `apiVersion: verdict.dev/v1alpha1
kind: Configuration
server:
  address: %[2]s
  tls: {certFile: %[1]s/tls/tls.crt, keyFile: %[1]s/tls/tls.key, clientCAFile: %[1]s/tls/client-ca.crt}
  callers: {authentication: [kube-apiserver]}
operations: {address: %[3]s}
policy: {directories: [%[4]q]}
authentication:
  sources:
%[5]s`

// StartOtherVerdict runs one with these policies and identity sources (a list in
// YAML, indented by four), which the same callers may ask, and waits until it is
// ready. The caller has to Kill it.
func (c *ControlPlane) StartOtherVerdict(ctx context.Context, policyDir, sources string) (*OtherVerdict, error) {
	policies, err := filepath.Abs(policyDir)
	if err != nil {
		return nil, fmt.Errorf("find the policies: %w", err)
	}
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	operations, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(c.Dir, "other-verdict.yaml")
	if err := writeFile(config, fmt.Sprintf(otherVerdictConfig, c.VerdictDir(), address, operations, policies, sources)); err != nil {
		return nil, err
	}
	process, err := startProcess("the other verdict", c.log("other-verdict"), c.verdictBinary, "serve", "--config", config)
	if err != nil {
		return nil, err
	}
	err = process.waitFor(ctx, func(ctx context.Context) error {
		return get(ctx, "http://"+operations+"/readyz?verbose", nil)
	})
	if err != nil {
		process.Kill()
		return nil, err
	}
	return &OtherVerdict{Process: process, URL: "https://" + address}, nil
}
