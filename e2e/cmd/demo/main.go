// Command demo runs a real control plane wired to verdict with the starter
// policies, prints what to try with kubectl, and removes it all on Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run returns nil when it was told to stop, however far it had come.
func run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer func() {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
	}()
	cluster, err := controlplane.New(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	kubeconfigs, err := boot(ctx, cluster)
	if err != nil {
		return err
	}
	show(os.Stdout, cluster, kubeconfigs)
	<-ctx.Done()
	return nil
}
