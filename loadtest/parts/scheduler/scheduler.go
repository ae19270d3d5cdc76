// Package scheduler measures how many pods a second kube-scheduler binds with
// one extender or another, by upstream's scheduler_perf.
package scheduler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// result is what each scheduler reached, by the names of the sampling and of the
// extender: pods per second, a round each.
type result map[string]map[string][]float64

// Add measures the pods that kube-scheduler binds.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) error {
	dir := filepath.Join(b.Dir, "scheduler")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	measured, err := measure(ctx, b, dir)
	if err != nil {
		return err
	}
	addComparisons(b, measured, made)
	return nil
}

// build builds etcd and the benchmark into the cache, whose folder it returns.
func build(ctx context.Context, b *bench.Bench) (cache, benchmark string, err error) {
	module := filepath.Join(b.Root, "loadtest")
	cache = filepath.Join(module, ".cache")
	if err := os.MkdirAll(cache, 0o750); err != nil {
		return "", "", fmt.Errorf("making the cache: %w", err)
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return "", "", fmt.Errorf("looking for the cache: %w", err)
	}
	fmt.Fprintln(b.Progress, "building etcd and scheduler_perf (minutes when nothing is cached)")
	benchmark = filepath.Join(cache, "scheduler_perf.test")
	if err := goTool(ctx, module, "build", "-trimpath", "-o", filepath.Join(cache, "etcd"), "go.etcd.io/etcd/server/v3"); err != nil {
		return "", "", err
	}
	return cache, benchmark, goTool(ctx, module, "test", "-c", "-o", benchmark, "./parts/scheduler/perf")
}

// measure runs scheduler_perf once for all rounds. dir is for the files of the run.
func measure(ctx context.Context, b *bench.Bench, dir string) (_ result, err error) {
	cache, benchmark, err := build(ctx, b)
	if err != nil {
		return nil, err
	}
	p := plan{dir: dir, nodes: b.Nodes, pods: b.Pods, rounds: b.Rounds}
	addresses := make([]string, 3)
	for i := range addresses {
		if addresses[i], err = servers.FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	p.nothing, p.verdict = addresses[0], addresses[1]
	nothing, err := servers.Start(ctx, servers.Extender, p.nothing, "", exec.Command(b.Fleet.Self(), "-serve-extender", p.nothing))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, nothing.Stop()) }()
	cases, err := p.write()
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	config, err := p.verdictConfiguration(addresses[2], kubeconfig, b.Files.Verdict)
	if err != nil {
		return nil, err
	}

	fmt.Fprintf(b.Progress, "scheduler_perf: %d nodes, %d pods a round\n", b.Nodes, b.Pods)
	items := filepath.Join(dir, "items")
	command := exec.CommandContext(ctx, benchmark, "-test.run=^$", "-test.bench=PerfScheduling", "-test.benchtime=1x", "-test.timeout=1h",
		"-data-items-dir="+items, "-test-cases="+cases, "-without-verdict=none",
		"-verdict="+b.Fleet.VerdictProgram(), "-verdict-config="+config, "-verdict-kubeconfig="+kubeconfig,
		"-verdict-address="+p.verdict, "-verdict-ready=http://"+addresses[2]+"/readyz")
	command.Dir = dir
	command.Env = append(os.Environ(), "PATH="+cache+string(os.PathListSeparator)+os.Getenv("PATH"))
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if said, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("scheduler_perf: %w\n%s", err, tail(said))
	}
	files, err := filepath.Glob(filepath.Join(items, "*.json"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("scheduler_perf left %d result files: %w", len(files), errors.Join(err))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return nil, fmt.Errorf("reading scheduler_perf's results: %w", err)
	}
	return parse(text)
}

// tail is the end of the output of a program, where it says why it ended.
func tail(said []byte) []byte {
	const most = 4000
	said = bytes.TrimSpace(said)
	return said[max(len(said)-most, 0):]
}

func (p plan) verdictConfiguration(operations, kubeconfig, policies string) (string, error) {
	text, err := yaml.Marshal(object{
		"apiVersion": "verdict.dev/v1alpha1", "kind": "Configuration",
		"server":     object{"address": p.verdict, "plainHTTP": true},
		"operations": object{"address": operations},
		"shutdown":   object{"drain": "0s"},
		"policy":     object{"directories": []string{policies}},
		"cluster":    object{"kubeconfig": kubeconfig},
	})
	if err != nil {
		return "", fmt.Errorf("writing verdict's configuration: %w", err)
	}
	return p.file("verdict.yaml", string(text))
}

func goTool(ctx context.Context, dir string, arguments ...string) error {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(arguments, " "), err, said)
	}
	return nil
}
