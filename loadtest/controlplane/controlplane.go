// Package controlplane fills a real API server with nodes and pods, and keeps pods
// coming and going.
package controlplane

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// stopTimeout is how long the control plane may take to end.
const stopTimeout = 30 * time.Second

// ControlPlane is an etcd and a kube-apiserver.
type ControlPlane struct {
	// Admin and Verdict are files: kubeconfigs of an administrator, whose requests
	// are not limited, and of verdict, which may do what deploy/ grants it.
	Admin   string `json:"admin"`
	Verdict string `json:"verdict"`

	input  io.Closer // its end ends it
	said   *bytes.Buffer
	exited chan error
	kill   func() error
}

// Start runs the control plane of the end-to-end tests from the checkout at root.
// It builds into dir, and, when nothing is cached yet, for minutes.
func Start(ctx context.Context, root, dir string) (*ControlPlane, error) {
	module, program := filepath.Join(root, "e2e"), filepath.Join(dir, "apiserver-runner")
	environment := append(os.Environ(), "GOWORK=off")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/apiserver")
	build.Dir, build.Env = module, environment
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the control plane: %w\n%s", err, said)
	}
	command := exec.Command(program) // it is asked to end, and not killed
	command.Dir, command.Env = module, environment
	return start(ctx, command)
}

func start(ctx context.Context, command *exec.Cmd) (*ControlPlane, error) {
	c := &ControlPlane{said: new(bytes.Buffer), exited: make(chan error, 1)}
	command.Stderr = c.said
	input, err1 := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err := errors.Join(err1, err2, command.Start()); err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	c.input, c.kill = input, command.Process.Kill
	defer context.AfterFunc(ctx, func() { _ = input.Close() })()
	line, err := bufio.NewReader(output).ReadBytes('\n')
	go func() { c.exited <- command.Wait() }()
	if err == nil {
		err = json.Unmarshal(line, c)
	}
	if err != nil {
		stopped := c.Stop() // and what it said is complete
		return nil, errors.Join(fmt.Errorf("the control plane did not start: %w\n%s", err, c.said), stopped)
	}
	return c, nil
}

// Stop ends the control plane and removes what it wrote.
func (c *ControlPlane) Stop() error {
	_ = c.input.Close() // fails when the other end is gone
	select {
	case err := <-c.exited:
		if err != nil {
			return fmt.Errorf("the control plane: %w\n%s", err, c.said)
		}
		return nil
	case <-time.After(stopTimeout):
		killed := c.kill()
		return errors.Join(fmt.Errorf("the control plane did not stop within %v", stopTimeout), killed, <-c.exited)
	}
}

// Client returns an administrator's client. It speaks protobuf and has no limit
// of its own.
func (c *ControlPlane) Client() (corev1client.CoreV1Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Admin)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return client, nil
}
