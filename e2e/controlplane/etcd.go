package controlplane

import (
	"context"
	"path/filepath"
)

// startEtcd runs a single member that does not wait for the disk: nothing in
// it outlives the run.
func (c *ControlPlane) startEtcd(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		client, err := FreeAddress()
		if err != nil {
			return err
		}
		peer, err := FreeAddress()
		if err != nil {
			return err
		}
		process, err := startProcess("etcd", c.log("etcd"), c.Binaries.Etcd,
			"--data-dir="+filepath.Join(c.Dir, "etcd"),
			"--unsafe-no-fsync",
			"--listen-client-urls=http://"+client,
			"--advertise-client-urls=http://"+client,
			"--listen-peer-urls=http://"+peer,
			"--initial-advertise-peer-urls=http://"+peer,
			"--initial-cluster=default=http://"+peer,
			"--log-level=warn",
		)
		if err != nil {
			return err
		}
		c.etcd, c.etcdAddress = process, client
		err = process.waitFor(ctx, func(ctx context.Context) error {
			return get(ctx, "http://"+client+"/health", nil)
		})
		if err == nil || attempt == bindAttempts || !addressTaken(process) {
			return err
		}
	}
}
