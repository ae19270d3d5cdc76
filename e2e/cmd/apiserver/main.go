// Command apiserver runs a real etcd and kube-apiserver for programs of other
// modules. When it is ready it writes a line of JSON with the kubeconfigs of an
// administrator and of verdict. It ends, and removes it all, on SIGTERM or when
// its standard input ends.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
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
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
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
	if err := cluster.EnsureAPIServer(ctx, controlplane.PlainFlags()); err != nil {
		return err
	}
	if err := cluster.GrantVerdict(ctx); err != nil {
		return err
	}
	kubeconfigs := map[string]string{
		"admin":   cluster.AdminKubeconfig,
		"verdict": filepath.Join(cluster.VerdictDir(), "kubeconfig.yaml"),
	}
	if err := json.NewEncoder(os.Stdout).Encode(kubeconfigs); err != nil {
		return fmt.Errorf("say where the kubeconfigs are: %w", err)
	}
	<-ctx.Done()
	return nil
}
