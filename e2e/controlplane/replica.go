package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Replica is a verdict beside that of the control plane: of the same cluster and
// policies, with the configuration of deploy/ and more.
type Replica struct {
	*Process
	// Address is where it answers webhooks, host:port.
	Address string
	// OperationsURL and BindReadinessURL are without a trailing slash.
	OperationsURL    string
	BindReadinessURL string

	name, config string
	of           *ControlPlane
}

// ReplicaOptions are what a Replica has of its own.
type ReplicaOptions struct {
	// APIServer is where it finds the apiserver; the default is where that
	// listens.
	APIServer string
	// Scheduling is that section of its configuration, in YAML indented by two,
	// without bind, which is enabled.
	Scheduling string
	// Elected has the replicas elect the one that binds.
	Elected bool
}

// StartReplica runs a replica and waits until it is ready. The caller has to Kill
// it.
func (c *ControlPlane) StartReplica(ctx context.Context, name string, options ReplicaOptions) (*Replica, error) {
	var addresses [3]string
	for i := range addresses {
		free, err := FreeAddress()
		if err != nil {
			return nil, err
		}
		addresses[i] = free
	}
	r := &Replica{
		Address: addresses[0], OperationsURL: "http://" + addresses[1], BindReadinessURL: "http://" + addresses[2],
		name: name, config: filepath.Join(c.VerdictDir(), name+".yaml"), of: c,
	}
	if err := c.installAt("verdict/config.yaml", r.config, addresses[0], addresses[1]); err != nil {
		return nil, err
	}
	if options.APIServer != "" {
		kubeconfig := filepath.Join(c.VerdictDir(), name+"-kubeconfig.yaml")
		data, err := os.ReadFile(filepath.Join(c.VerdictDir(), "kubeconfig.yaml"))
		if err != nil {
			return nil, fmt.Errorf("read verdict's kubeconfig: %w", err)
		}
		if err := writeFile(kubeconfig, string(data)); err != nil {
			return nil, err
		}
		if err := replaceOnce(kubeconfig, c.APIServerURL(), options.APIServer); err != nil {
			return nil, err
		}
		if err := replaceOnce(r.config, filepath.Join(c.VerdictDir(), "kubeconfig.yaml"), kubeconfig); err != nil {
			return nil, err
		}
	}
	config, err := os.ReadFile(r.config)
	if err != nil {
		return nil, fmt.Errorf("read a configuration: %w", err)
	}
	election := ""
	if options.Elected {
		election = "    lease: {namespace: verdict-system}\n    readinessAddress: " + addresses[2] + "\n"
	}
	text := string(config) + "\nscheduling:\n" + strings.TrimPrefix(options.Scheduling, "\n") +
		"  bind:\n    enabled: true\n" + election
	if err := writeFile(r.config, text); err != nil {
		return nil, err
	}
	return r, r.Restart(ctx)
}

// Restart ends the replica if it runs, starts it again at the same addresses and
// waits until it is ready.
func (r *Replica) Restart(ctx context.Context) error {
	r.Kill()
	process, err := startProcess(r.name, r.of.log(r.name), r.of.verdictBinary, "serve", "--config", r.config)
	if err != nil {
		return err
	}
	r.Process = process
	return process.waitFor(ctx, func(ctx context.Context) error {
		return get(ctx, r.OperationsURL+"/readyz?verbose", nil)
	})
}

// URL is where it answers webhooks, without a trailing slash.
func (r *Replica) URL() string { return "https://" + r.Address }

// Binds returns nil when the replica says that it is the one that binds.
func (r *Replica) Binds(ctx context.Context) error {
	return get(ctx, r.BindReadinessURL+"/readyz", nil)
}
