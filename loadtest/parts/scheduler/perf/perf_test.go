// Package perf runs upstream's scheduler_perf: etcd, an API server and
// kube-scheduler in this process, as Kubernetes' own throughput benchmark does.
// Package scheduler builds it with `go test -c`, writes its configuration and
// reads what it measured; by itself it skips.
package perf

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	_ "k8s.io/component-base/logs/json/register" // scheduler_perf's logging flags name it
	perf "k8s.io/kubernetes/test/integration/scheduler_perf"
	"k8s.io/kubernetes/test/utils/client-go/ktesting"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

var (
	testCases  = flag.String("test-cases", "", "the scheduler_perf configuration `file`; without it nothing is run")
	verdict    = flag.String("verdict", "", "the verdict `program`")
	config     = flag.String("verdict-config", "", "verdict's configuration `file`")
	kubeconfig = flag.String("verdict-kubeconfig", "", "where verdict's configuration expects a kubeconfig; it is written for each API server")
	address    = flag.String("verdict-address", "", "where verdict's configuration makes it listen")
	ready      = flag.String("verdict-ready", "", "the URL that answers 200 when verdict is ready")
	without    = flag.String("without-verdict", "", "test cases whose names begin so run without verdict")
)

// roundTimeout is for one round of pods, however slow an extender is.
const roundTimeout = 20 * time.Minute

func TestMain(m *testing.M) {
	if err := perf.InitTests(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m.Run()
}

func BenchmarkPerfScheduling(b *testing.B) {
	if *testCases == "" {
		b.Skip("run by the load generator")
	}
	perf.RunBenchmarkPerfScheduling(b, *testCases, "loadtest", nil,
		perf.WithPrepareFn(startVerdict), perf.WithPodsSchedulingTimeout(roundTimeout))
}

// startVerdict connects verdict to the API server that was just started, for as
// long as the test case runs.
func startVerdict(ctx ktesting.TContext) error {
	if _, name, _ := strings.Cut(ctx.Name(), "/"); strings.HasPrefix(name, *without) {
		return nil
	}
	if err := writeKubeconfig(ctx.RESTConfig(), *kubeconfig); err != nil {
		return err
	}
	process, err := servers.Start(context.WithoutCancel(ctx), servers.Verdict, *address, *ready, exec.Command(*verdict, "serve", "--config", *config))
	if err != nil {
		return err
	}
	ctx.Cleanup(func() {
		if err := process.Stop(); err != nil {
			ctx.Errorf("%v", err)
		}
	})
	return nil
}

// writeKubeconfig writes what config connects to as a kubeconfig file.
func writeKubeconfig(config *rest.Config, file string) error {
	const name = "scheduler-perf"
	k := clientcmdapi.NewConfig()
	k.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthority:     config.CAFile,
		CertificateAuthorityData: config.CAData,
		InsecureSkipTLSVerify:    config.Insecure,
		TLSServerName:            config.ServerName,
	}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{
		Token:                 config.BearerToken,
		ClientCertificate:     config.CertFile,
		ClientCertificateData: config.CertData,
		ClientKey:             config.KeyFile,
		ClientKeyData:         config.KeyData,
	}
	k.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	k.CurrentContext = name
	if err := clientcmd.WriteToFile(*k, file); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}
