package controlplane

import (
	"context"
	"errors"
	"fmt"
)

// Component is one of the processes of a control plane.
type Component string

// The components.
const (
	Etcd      Component = "etcd"
	APIServer Component = "kube-apiserver"
	Scheduler Component = "kube-scheduler"
	Verdict   Component = "verdict"
)

// Halt ends every process at once. What etcd holds stays, and Launch starts them
// again where they were.
func (c *ControlPlane) Halt() {
	for _, process := range []*Process{c.scheduler, c.verdict, c.apiserver, c.etcd} {
		process.Kill()
	}
}

// Launch starts a component with the address and configuration that it had, and
// waits for nothing. One that runs is left as it is: called over and over it does
// what a kubelet does for a static pod.
func (c *ControlPlane) Launch(component Component) (err error) {
	process, launch := c.process(component)
	if *process != nil && (*process).Running() {
		return nil
	}
	started, err := launch()
	if err == nil {
		*process = started
	}
	return err
}

func (c *ControlPlane) process(component Component) (process **Process, launch func() (*Process, error)) {
	switch component {
	case Etcd:
		return &c.etcd, c.launchEtcd
	case APIServer:
		return &c.apiserver, c.launchAPIServer
	case Scheduler:
		return &c.scheduler, c.launchScheduler
	case Verdict:
		return &c.verdict, c.launchVerdict
	}
	var none *Process
	return &none, func() (*Process, error) { return nil, fmt.Errorf("there is no component %s", component) }
}

// Ready returns nil when every component says that it is ready.
func (c *ControlPlane) Ready(ctx context.Context) error {
	return errors.Join(c.etcdReady(ctx), c.apiServerReady(ctx), c.schedulerReady(ctx), c.verdictReady(ctx))
}
