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
		c.etcdAddress, c.etcdPeerAddress = client, peer
		process, err := c.launchEtcd()
		if err != nil {
			return err
		}
		c.etcd = process
		err = process.waitFor(ctx, c.etcdReady)
		if err == nil || attempt == bindAttempts || !addressTaken(process) {
			return err
		}
	}
}

// launchEtcd starts the program.
func (c *ControlPlane) launchEtcd() (*Process, error) {
	client, peer := "http://"+c.etcdAddress, "http://"+c.etcdPeerAddress
	return startProcess("etcd", c.log("etcd"), c.Binaries.Etcd,
		"--data-dir="+filepath.Join(c.Dir, "etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls="+client,
		"--advertise-client-urls="+client,
		"--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer,
		"--initial-cluster=default="+peer,
		"--log-level=warn",
	)
}

func (c *ControlPlane) etcdReady(ctx context.Context) error {
	return get(ctx, "http://"+c.etcdAddress+"/health", nil)
}
